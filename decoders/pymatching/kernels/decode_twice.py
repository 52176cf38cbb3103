"""Decode the shots of a desk, by two-pass correlated matching."""

from decoders.correlated.kernels.batch import match_found_twice
from decoders.kernels.jit import kernel
from decoders.kernels.layout import GRAPH, OK, WORK
from decoders.kernels.pools import view
from decoders.pymatching.kernels.answers import write_answer
from decoders.pymatching.kernels.decode import find_events
from decoders.pymatching.kernels.desk import DESK, PREDICTIONS


@kernel
def decode_desk_twice(address):
    """Decode the shots of the desk at an address as `decode_desk` does, matching them twice."""
    desk = view(address, 1, DESK)[0]
    graph, work = view(desk.graph, 1, GRAPH)[0], view(desk.work, 1, WORK)[0]
    work.only_flips = desk.wanted == PREDICTIONS and desk.weights == 0
    for shot in range(desk.shot, desk.num_shots):
        count = find_events(desk, graph, work, shot)
        status = match_found_twice(graph, work, count)
        if status != OK:
            desk.shot = shot
            return status
        write_answer(desk, graph, work, shot, count)
    return OK
