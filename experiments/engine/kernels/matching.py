"""Draw, match and count in one loop."""

from decoders.kernels.bits import list_differing_bits, list_set_bits
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import match_found, reset_flips
from experiments.engine.kernels.draw import count_prediction, draw_shot
from experiments.engine.kernels.jit import kernel


@kernel
def load_drawn(graph, work, model, run):
    """List the detection events of the drawn shot in `fired`, and empty its row."""
    row = pool(run, "row")
    if model.has_inverted:
        run.num_fired = list_differing_bits(row, pool(model, "inverted"), pool(work, "fired"))
    else:
        run.num_fired = list_set_bits(row, pool(work, "fired"))
    row[:] = 0
    reset_flips(graph, work)
    work.weight = graph.certain_weight


@kernel
def count_failures(graphs, works, models, runs):
    """Draw shots, decode them by `mwpm`, count failures. Returns a status; FULL: call again with more memory.

    Args:
        graphs: one GRAPH record.
        works: one WORK record; written.
        models: one MODEL record; `alone` is written.
        runs: one RUN record; written.
    """
    graph, work, model, run = graphs[0], works[0], models[0], runs[0]
    while run.waiting or draw_shot(model, run):
        if run.waiting:
            reset_flips(graph, work)
        else:
            load_drawn(graph, work, model, run)
        status = match_found(graph, work, run.num_fired)
        run.waiting = status != OK
        if status != OK:
            return status
        count_prediction(model, run, pool(work, "flips"))
    return OK
