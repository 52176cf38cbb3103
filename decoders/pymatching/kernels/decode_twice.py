"""Decode the shots of a context, by two-pass correlated matching."""

from decoders.correlated.kernels.batch import match_found_twice
from decoders.correlated.kernels.layout import second_of
from decoders.kernels.jit import entry_point
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.pymatching.kernels.answers import write_answer
from decoders.pymatching.kernels.context import PREDICTIONS, context_at
from decoders.pymatching.kernels.decode import find_events


@entry_point
def decode_context_twice(address):
    """Decode the shots of the context at an address as `decode_context` does, matching them twice."""
    context = context_at(address)
    graph, work = pool(context, "graph")[0], pool(context, "work")[0]
    second_of(work).only_flips = context.wanted == PREDICTIONS and context.weights == 0
    for shot in range(context.shot, context.num_shots):
        count = find_events(context, graph, work, shot)
        status = match_found_twice(graph, work, count)
        if status != OK:
            context.shot = shot
            return status
        write_answer(context, graph, work, shot, count)
    return OK
