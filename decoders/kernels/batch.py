"""Many shots in one call."""

import numpy as np

from decoders.kernels.bits import set_bits
from decoders.kernels.jit import kernel
from decoders.kernels.layout import (
    AT_BOUNDARY,
    FREE,
    LEADS,
    OK,
    Ball,
    Graph,
    Work,
)
from decoders.kernels.pairs import match_nearest, prepare_searches
from decoders.kernels.search import find_partner


@kernel
def match_events(graph, work, ball, count):
    """Match the events 0..count-1 of a shot. Returns a status."""
    events = work.events
    for index in range(count):
        work.event_of[events[index].detector] = index
    status = OK
    if match_nearest(graph, work, count) > 0:
        prepare_searches(work, count)
        for index in range(count):
            if events[index].mate == FREE:
                status = find_partner(graph, work, ball, index)
                if status != OK:
                    break
    for index in range(count):
        work.event_of[events[index].detector] = -1
    return status


@kernel
def decode_batch(
    shots, flips, weights,
    detectors, near, indptr, neighbours, adjacent_weights, masks,
    ball_nodes, ball_queue, touched, ball_state,
    events, nodes, halves, edges, queue, tree, stack, spare, event_of, state, found, first_shot,
):
    """Decode bit-packed shots to the first 64 observables and weights; returns (shot, status) of the first failure."""
    graph = Graph(detectors, near, indptr, neighbours, adjacent_weights, masks)
    ball = Ball(ball_nodes, ball_queue, touched, ball_state)
    work = Work(events, nodes, halves, edges, queue, tree, stack, spare, event_of, state)
    for shot in range(first_shot, len(shots)):
        count = set_bits(shots[shot], found)
        flip = np.uint64(0)
        weight = 0
        if count > 0:
            for index in range(count):
                events[index].detector = found[index]
            status = match_events(graph, work, ball, count)
            if status != OK:
                return shot, status
            for index in range(count):
                event = events[index]
                mate = event.mate
                if mate == AT_BOUNDARY:
                    flip ^= detectors[event.detector].observables
                    weight += detectors[event.detector].boundary
                elif mate == LEADS:
                    flip ^= near[event.scan - 1].observables
                    weight += near[event.scan - 1].distance
                elif mate >= 0 and mate & 1 == 1:
                    edge = edges[mate >> 1]
                    flip ^= near[edge.near].observables
                    weight += edge.distance
        flips[shot] = flip
        weights[shot] = weight
    return len(shots), OK
