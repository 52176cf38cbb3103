"""Pictures of shots, models and detection fractions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

from decoders import MatchingGraph
from decoders.matching.failure import explain_failure
from experiments.common.points import decoding_model
from experiments.drawing.event_graph import EventGraph, observables_of
from experiments.drawing.growth import NoMatchingError, Step, grow_regions
from experiments.drawing.layout import View, place_detectors
from experiments.drawing.moments import Illustrator, background_of

Model: TypeAlias = stim.Circuit | stim.DetectorErrorModel | MatchingGraph
Components = Literal["observable", "all"]

_MOST_DETECTORS = 20_000


def draw_matching(
    model: Model,
    detection_events: ArrayLike,
    *,
    path: Path | str,
    title: str = "",
    view: View = "auto",
    components: Components = "observable",
    axes: Sequence[str] | None = None,
    labels: bool = False,
    at: float = 1.0,
    most_frames: int = 60,
    width: float = 6.4,
    note_progress: Callable[[int], None] | None = None,
) -> Path:
    """Draw the minimum-weight perfect matching of a shot, with the regions and blossoms of its dual solution.

    The radius of a region is the sum of the dual variables of the sets around its event: it covers every
    point of the graph at a smaller distance, and the picture shows the convex hull of what it covers. All
    regions grow at the same rate, as in sparse blossom (Higgott and Gidney, arXiv 2303.15933). Of several
    solutions of equal weight, a decoder may return another one.

    Args:
        model: A circuit, a DEM with at most two detectors per component, or its matching graph.
        detection_events: bool, or integers 0 and 1, (num_detectors,).
        path: File to write. .png, .svg and .pdf show one frame, .gif and .html (self-contained) the growth.
        title: First line above the picture.
        view: "3d" draws x, y and time obliquely, "top" x and y, "side" x and time; "auto" is "3d" where all
            three vary.
        components: "observable" draws only connected components with an edge that flips an observable (all
            if there are none), "all" draws every component.
        axes: Names of the detectors' coordinates, such as ("x", "y"); "t" is drawn upwards. Default: x, y, t
            for three or more and x, t for two, as in stim. Without coordinates, positions are computed from
            distances in the graph, and the picture says so.
        labels: Whether to write the number of each event's detector next to it.
        at: One frame: the fraction of the growth at which it is drawn, 0 to 1.
        most_frames: Largest number of frames of an animation.
        width: Of the picture in inches.
        note_progress: Called with the number of each frame.

    Returns:
        The path.

    Raises:
        ValueError: A wrong argument, more than 2000 detection events, or no error explains them.
        FileNotFoundError: The folder of the file is missing.

    Examples:
        >>> import stim
        >>> from experiments.drawing import draw_matching
        >>> dem = stim.DetectorErrorModel("error(0.1) D0 L0\\nerror(0.1) D0 D1\\nerror(0.1) D1")
        >>> draw_matching(dem, [True, True], path="pair.svg").name
        'pair.svg'
    """
    # Matplotlib takes a while to import, and `qec draw --help` does not need it.
    from experiments.plotting.canvas import check_path, is_animation
    from experiments.plotting.matching import draw_scene

    target = check_path(path)
    if not 0 <= at <= 1:
        raise ValueError(f"at={at:g}: must lie between 0 and 1")
    if most_frames < 2:
        raise ValueError(f"most_frames={most_frames}: must be at least 2")
    graph = _graph_of(model)
    events = _checked_events(detection_events, graph.num_detectors)
    shown = _shown(graph, components)
    layout = place_detectors(graph, shown=shown, view=view, axes=axes)
    shot = EventGraph.from_shot(graph, events)
    try:
        growth = grow_regions(shot.between, shot.boundary, [f"D{detector}" for detector in shot.detectors])
    except NoMatchingError:
        bits = np.zeros(graph.num_detectors, dtype=np.uint8)
        bits[shot.detectors] = 1
        reason = explain_failure(graph, np.packbits(bits, bitorder="little"), 0)
        raise ValueError(reason.removeprefix("shot 0: ")) from None
    illustrator = Illustrator(shot, growth, layout, labels=labels)
    head = [title] if title else []
    tail = [_hidden(shot, shown), layout.note]
    last = [*head, _solution_text(shot, growth.pairs, growth.duals), *filter(None, tail)]
    end = growth.steps[-1].time
    if is_animation(target):
        frames = illustrator.frames(most_frames - 1)
    else:
        frames = [(step, at * end) for step in growth.steps if step.time <= at * end][-1:] if at < 1 else []
    moments = [
        illustrator.moment(step, time, lines=[*head, _step_text(shot, step, time), *filter(None, tail)])
        for step, time in frames
    ]
    if at == 1 or is_animation(target):
        moments.append(illustrator.last_moment(lines=last))
    return draw_scene(
        path=target,
        background=background_of(layout, shot),
        moments=moments,
        title=title or "Matching",
        width=width,
        note_progress=note_progress,
    )


def _graph_of(model: Model) -> MatchingGraph:
    if isinstance(model, stim.Circuit):
        model = decoding_model(model)
    if isinstance(model, stim.DetectorErrorModel):
        model = MatchingGraph.from_dem(model)
    if model.num_detectors == 0:
        raise ValueError("nothing to draw: the model has no detectors")
    if model.num_detectors > _MOST_DETECTORS:
        raise ValueError(
            f"{model.num_detectors} detectors: at most {_MOST_DETECTORS} can be drawn, use fewer cycles"
        )
    return model


def _checked_events(detection_events: ArrayLike, num_detectors: int) -> NDArray[np.bool_]:
    events = np.asarray(detection_events)
    if events.shape != (num_detectors,):
        raise ValueError(f"detection events have shape {events.shape}, expected ({num_detectors},)")
    if events.dtype != np.bool_ and not np.isin(events, (0, 1)).all():
        raise ValueError("detection events must be bool, or integers 0 and 1")
    return events.astype(np.bool_)


def _shown(graph: MatchingGraph, components: Components) -> NDArray[np.bool_]:
    """Mark the detectors to draw, bool (num_detectors,)."""
    if components not in get_args(Components):
        raise ValueError(f"components={components!r}: choose one of {', '.join(get_args(Components))}")
    flipping = graph.edge_u[graph.edge_observables.any(axis=1)]
    if components == "all" or not flipping.size:
        return np.ones(graph.num_detectors, dtype=np.bool_)
    return np.isin(graph.component, graph.component[flipping])


def _hidden(shot: EventGraph, shown: NDArray[np.bool_]) -> str:
    hidden = int((~shown[shot.detectors]).sum())
    if not hidden:
        return ""
    return f"{hidden} of {shot.detectors.size} detection events not shown: no observable in their components"


def _step_text(shot: EventGraph, step: Step, time: float) -> str:
    text = f": {step.text}" if time == step.time and step.text else ""
    return f"regions have grown for {time / shot.graph.weight_scale:.2f}{text}"


def _solution_text(
    shot: EventGraph, pairs: tuple[tuple[int, int], ...], duals: tuple[tuple[tuple[int, ...], int], ...]
) -> str:
    graph = shot.graph
    edges = shot.solution(pairs)
    weight = int(graph.edge_weight[edges].sum(dtype=np.int64)) / graph.weight_scale
    total = sum(dual for _, dual in duals) / graph.weight_scale
    flips = ", ".join(f"L{observable}" for observable in observables_of(graph, edges)) or "no observable"
    proof = "" if abs(total - weight) < 1e-9 * (1 + abs(weight)) else f" {total:.2f}, with p > 1/2:"
    return (
        f"{len(shot.detectors)} detection events; sum of dual variables = weight ={proof} {weight:.2f}; "
        f"flips {flips}"
    )
