"""Decode the shots of a context, by plain matching."""

from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import match_found, reset_flips
from decoders.pymatching.kernels.answers import write_answer
from decoders.pymatching.kernels.context import context_at
from decoders.pymatching.kernels.syndromes import find_in_bits, find_in_bytes


@kernel
def find_events(context, graph, work, shot):
    """Write the detection events of a shot to `fired`, and reset the answer; returns how many there are."""
    reset_flips(graph, work)
    work.weight = graph.certain_weight
    size = context.row_bytes
    row, found = pool(context, "shots")[shot * size : (shot + 1) * size], pool(work, "fired")
    if context.is_packed:
        return find_in_bits(row, pool(context, "packed_inverted"), pool(context, "packed_mask"), found)
    return find_in_bytes(row, pool(context, "inverted"), pool(context, "mask"), found)


@entry_point
def decode_context(address):
    """Decode the shots of the context at an address, from context.shot up to the first that fails.

    Returns a status; context.shot is then the number of the shot at which it stopped.
    """
    context = context_at(address)
    graph, work = pool(context, "graph")[0], pool(context, "work")[0]
    for shot in range(context.shot, context.num_shots):
        count = find_events(context, graph, work, shot)
        status = match_found(graph, work, count)
        if status != OK:
            context.shot = shot
            return status
        write_answer(context, graph, work, shot, count)
    return OK
