"""Decode the shots of a desk, by two-pass correlated matching."""

from decoders.correlated.kernels.batch import match_found_twice
from decoders.correlated.kernels.layout import second_of
from decoders.kernels.jit import entry_point
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.pymatching.kernels.answers import write_answer
from decoders.pymatching.kernels.decode import find_events
from decoders.pymatching.kernels.desk import PREDICTIONS, desk_at


@entry_point
def decode_desk_twice(address):
    """Decode the shots of the desk at an address as `decode_desk` does, matching them twice."""
    desk = desk_at(address)
    graph, work = pool(desk, "graph")[0], pool(desk, "work")[0]
    second_of(work).only_flips = desk.wanted == PREDICTIONS and desk.weights == 0
    for shot in range(desk.shot, desk.num_shots):
        count = find_events(desk, graph, work, shot)
        status = match_found_twice(graph, work, count)
        if status != OK:
            desk.shot = shot
            return status
        write_answer(desk, graph, work, shot, count)
    return OK
