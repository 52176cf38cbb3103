"""Gaps of the second of two matchings, under the weights that the edges of the first imply.

Nothing is spared here as it is in `rematch.py`: every shot is matched from scratch with its new weights, and
once more for each observable.
"""

from decoders.correlated.kernels.batch import match_shot_twice
from decoders.gaps.kernels.per_shot import find_gaps
from decoders.kernels.bits import set_bits_toggled
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.matching.kernels.correction import mate_path
from decoders.reweighted.kernels.reweighted import match_reweighted


@kernel
def lower_implied(graph, work, count, starts, implied, lighter, uses, weights):
    """Lower the weights of what the edges of the present matching imply; `uses` is zero before and after."""
    path = pool(work, "path")
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            uses[path[at]] ^= 1
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            edge = path[at]
            if uses[edge] == 0:  # passed twice, or seen
                continue
            uses[edge] = 0
            for entry in range(starts[edge], starts[edge + 1]):
                weights[implied[entry]] = min(weights[implied[entry]], lighter[entry])


@entry_point
def find_second_gaps(
    first_graphs,
    first_works,
    graphs,
    reweights,
    works,
    class_graphs,
    class_reweights,
    rivals,
    rival_works,
    starts,
    implied,
    lighter,
    edge_weights,
    uses,
    weights,
    shots,
    predictions,
    gaps,
    first_shot,
):
    """Find the gaps of bit-packed shots that have been decoded, up to the first that fails.

    `first_graphs` is the graph of the first matching, without what it implies: int32 `starts` (edges + 1,),
    `implied` and `lighter` (entries,). `edge_weights` and `weights` int32 (edges,) are the usual ones and
    those of the last shot, `uses` uint8 (edges,) is zero. `predictions` uint8 (shots, bytes), `gaps` int64
    (shots, observables). Returns where it stopped and a status.
    """
    first_graph, first_work, graph, work = first_graphs[0], first_works[0], graphs[0], works[0]
    found = pool(first_work, "found")
    quiet = -1
    for shot in range(first_shot, len(shots)):
        count, status = match_shot_twice(first_graph, first_work, shots[shot])
        if status != OK:
            return shot, status
        if count == 0 and quiet >= 0:
            for observable in range(gaps.shape[1]):
                gaps[shot, observable] = gaps[quiet, observable]
            continue
        for edge in range(len(weights)):
            weights[edge] = edge_weights[edge]
        lower_implied(first_graph, first_work, count, starts, implied, lighter, uses, weights)
        count = set_bits_toggled(shots[shot], pool(graph, "toggles"), found)
        _, status = match_reweighted(graph, reweights[0], work, found, count, weights)
        if status == OK:
            status = find_gaps(
                class_graphs,
                class_reweights,
                rivals,
                rival_works[0],
                graph,
                work,
                found,
                count,
                weights,
                predictions[shot],
                gaps[shot],
            )
        if status != OK:
            return shot, status
        if count == 0:
            quiet = shot
    return len(shots), OK
