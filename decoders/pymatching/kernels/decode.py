"""Decode the shots of a desk, by plain matching."""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import GRAPH, OK, WORK
from decoders.kernels.pools import found_of, view
from decoders.matching.kernels.batch import match_found, reset_flips
from decoders.pymatching.kernels.answers import write_answer
from decoders.pymatching.kernels.desk import DESK, bytes_at
from decoders.pymatching.kernels.syndromes import find_in_bits, find_in_bytes


@kernel
def find_events(desk, graph, work, shot):
    """Write the detection events of a shot to `found`, and reset the answer; returns how many there are."""
    reset_flips(graph, work)
    work.weight = graph.certain_weight
    row = bytes_at(desk.shots + shot * desk.row_bytes, desk.row_bytes)
    if desk.is_packed:
        size = (desk.num_nodes + 7) >> 3
        toggles, mask = bytes_at(desk.packed_toggles, size), bytes_at(desk.packed_mask, size)
        return find_in_bits(row, toggles, mask, found_of(work))
    toggles, mask = bytes_at(desk.toggles, desk.num_nodes), bytes_at(desk.mask, desk.num_nodes)
    return find_in_bytes(row, toggles, mask, found_of(work))


@kernel
def decode_desk(address):
    """Decode the shots of the desk at an address, from desk.shot up to the first that fails.

    Returns a status; desk.shot is then the number of the shot at which it stopped.
    """
    desk = view(address, 1, DESK)[0]
    graph, work = view(desk.graph, 1, GRAPH)[0], view(desk.work, 1, WORK)[0]
    for shot in range(desk.shot, desk.num_shots):
        count = find_events(desk, graph, work, shot)
        status = match_found(graph, work, count)
        if status != OK:
            desk.shot = shot
            return status
        write_answer(desk, graph, work, shot, count)
    return OK
