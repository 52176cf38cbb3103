"""Decode the shots of a desk, by plain matching."""

from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import match_found, reset_flips
from decoders.pymatching.kernels.answers import write_answer
from decoders.pymatching.kernels.desk import desk_at
from decoders.pymatching.kernels.syndromes import find_in_bits, find_in_bytes


@kernel
def find_events(desk, graph, work, shot):
    """Write the detection events of a shot to `fired`, and reset the answer; returns how many there are."""
    reset_flips(graph, work)
    work.weight = graph.certain_weight
    size = desk.row_bytes
    row, found = pool(desk, "shots")[shot * size : (shot + 1) * size], pool(work, "fired")
    if desk.is_packed:
        return find_in_bits(row, pool(desk, "packed_toggles"), pool(desk, "packed_mask"), found)
    return find_in_bytes(row, pool(desk, "inverted"), pool(desk, "mask"), found)


@entry_point
def decode_desk(address):
    """Decode the shots of the desk at an address, from desk.shot up to the first that fails.

    Returns a status; desk.shot is then the number of the shot at which it stopped.
    """
    desk = desk_at(address)
    graph, work = pool(desk, "graph")[0], pool(desk, "work")[0]
    for shot in range(desk.shot, desk.num_shots):
        count = find_events(desk, graph, work, shot)
        status = match_found(graph, work, count)
        if status != OK:
            desk.shot = shot
            return status
        write_answer(desk, graph, work, shot, count)
    return OK
