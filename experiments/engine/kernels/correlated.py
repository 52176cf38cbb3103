"""Draw, match twice and count in one loop."""

from decoders.correlated.kernels.batch import match_found_twice
from decoders.correlated.kernels.layout import second_of
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import reset_flips
from experiments.engine.kernels.draw import count_prediction, draw_shot
from experiments.engine.kernels.jit import kernel
from experiments.engine.kernels.matching import load_drawn


@kernel
def count_failures_twice(graphs, works, models, runs):
    """Draw shots, decode them by `mwpm-correlated`, count failures, as `count_failures` does."""
    graph, work, model, run = graphs[0], works[0], models[0], runs[0]
    second = second_of(work)
    second.only_flips = 1
    while run.waiting or draw_shot(model, run):
        if run.waiting:
            reset_flips(graph, work)
        else:
            load_drawn(graph, work, model, run)
        status = match_found_twice(graph, work, run.num_fired)
        run.waiting = status != OK
        if status != OK:
            return status
        count_prediction(model, run, pool(work, "flips"))
    return OK
