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
from experiments.drawing.growth import Growth, NoMatchingError, Step, grow_regions
from experiments.drawing.hyperedges import Hyperedge, split_hyperedges
from experiments.drawing.layout import View, detector_space, place_detectors
from experiments.drawing.moments import Illustrator, background_of
from experiments.plotting.scene import Background

Model: TypeAlias = stim.Circuit | stim.DetectorErrorModel | MatchingGraph
Components = Literal["observable", "all"]

_MAX_DETECTORS = 8_000


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
    observable_flips: ArrayLike | None = None,
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
        observable_flips: The observables that really flipped, bool (num_observables,), if known: the picture
            says whether the prediction is right.
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
    events = _checked_bits(detection_events, graph.num_detectors, "detection events")
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
    truth = None if observable_flips is None else _checked_bits(observable_flips, graph.num_observables)
    last = [*head, _solution_text(shot, growth, truth), *filter(None, tail)]
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


def draw_model(
    model: Model,
    *,
    path: Path | str,
    title: str = "",
    view: View = "auto",
    components: Components = "observable",
    axes: Sequence[str] | None = None,
    width: float = 6.4,
) -> Path:
    """Draw a detector error model as a graph: darker and wider edges are likelier.

    Errors with more than two detectors in a component are drawn as stars, and all components are shown then.

    Args:
        model: A circuit, any DEM, or a matching graph.
        path: PNG, SVG or PDF file to write.
        title, view, components, axes, width: As in `draw_matching`.

    Returns:
        The path.

    Raises:
        ValueError: A wrong argument, or a model without errors or with too many detectors.
        FileNotFoundError: The folder of the file is missing.
    """
    from experiments.plotting.model import DrawnErrors, draw_errors

    large: list[Hyperedge] = []
    if isinstance(model, stim.Circuit):
        model = _model_of(model)
    if isinstance(model, stim.DetectorErrorModel):
        model, connected, large = split_hyperedges(model)
    graph = _graph_of(model)
    shown = _shown(graph, "all" if large else components)
    placing = _graph_of(connected) if large else graph
    layout = place_detectors(placing, shown=shown, view=view, axes=axes)
    edges = np.flatnonzero(shown[graph.edge_u])
    first, second = graph.edge_u[edges], graph.edge_v[edges]
    outer = second < 0
    ends = np.where(outer[:, np.newaxis], layout.ends[first], layout.places[second])
    segments = np.stack([layout.places[first], ends], axis=1)
    stars = [layout.places[list(one.detectors)] for one in large]
    count = f"detectors: {int(shown.sum())}; edges: {len(edges)}"
    if large:
        count += f"; errors on three detectors or more: {len(large)}"
    hidden = "" if shown.all() else "components without an observable are not shown"
    return draw_errors(
        path=path,
        background=Background(
            detectors=layout.places[shown],
            edges=np.zeros((0, 2, 2)),
            stubs=segments[outer],
            layers=layout.layers,
            arrows=layout.arrows,
        ),
        errors=DrawnErrors(
            segments=segments,
            probability=graph.edge_probability[edges],
            flips=(graph.edge_observables[edges] != 0).any(axis=1),
            stars=[np.concatenate([places.mean(axis=0, keepdims=True), places]) for places in stars],
            star_probability=[one.probability for one in large],
        ),
        lines=[line for line in (title, count, hidden, layout.note) if line],
        width=width,
    )


def draw_detection_fractions(
    model: Model,
    fractions: ArrayLike,
    *,
    path: Path | str,
    title: str = "",
    axes: Sequence[str] | None = None,
    skip_ends: bool = True,
    width: float = 6.4,
) -> Path:
    """Draw the detection fraction of each measure qubit as a map of the chip.

    A square shows the mean over the detectors with its coordinates x and y.

    Args:
        model: A circuit, any DEM, or a matching graph; its detectors have coordinates.
        fractions: float (num_detectors,): how often each detector fires, such as `events.mean(axis=0)`.
        path: PNG, SVG or PDF file to write.
        title, axes, width: As in `draw_matching`.
        skip_ends: Leave the first and the last cycle out, whose detectors compare fewer measurements; only
            where there are three cycles or more.

    Returns:
        The path.

    Raises:
        ValueError: A wrong argument, or a detector without coordinates.
        FileNotFoundError: The folder of the file is missing.
    """
    from experiments.plotting.chip import draw_map

    values = np.asarray(fractions, dtype=np.float64)
    space = detector_space(_coordinates_of(model), axes)
    if values.shape != (len(space),):
        raise ValueError(f"fractions have shape {values.shape}, expected ({len(space)},)")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("fractions must lie between 0 and 1")
    times = np.unique(space[:, 2])
    part = np.ones(len(space), dtype=np.bool_)
    note = ""
    if skip_ends and times.size > 2:
        part = (space[:, 2] > times[0]) & (space[:, 2] < times[-1])
        note = " without the first and the last cycle"
    places, place = np.unique(space[part, :2], axis=0, return_inverse=True)
    percent = 100 * np.bincount(place, weights=values[part]) / np.bincount(place)
    text = f"mean {percent.mean():.2f} %, {percent.min():.2f} to {percent.max():.2f} %{note}"
    lines = [line for line in (title, text) if line]
    return draw_map(path=path, places=places, percent=percent, lines=lines, width=width)


def _coordinates_of(model: Model) -> NDArray[np.float64]:
    """Return the coordinates of all detectors, NaN where absent: float64 (num_detectors, at least 1)."""
    if isinstance(model, MatchingGraph):
        return model.detector_coordinates
    given = model.get_detector_coordinates()
    found = np.full((model.num_detectors, max(map(len, given.values()), default=0)), np.nan)
    for detector, numbers in given.items():
        found[detector, : len(numbers)] = numbers
    return found


def _model_of(circuit: stim.Circuit) -> stim.DetectorErrorModel:
    """Make the DEM, with errors that stim cannot decompose left whole."""
    try:
        return decoding_model(circuit)
    except ValueError:
        return circuit.detector_error_model(approximate_disjoint_errors=True)


def check_size(num_detectors: int) -> None:
    """Raise ValueError if a model has no detectors, or more than can be drawn."""
    if num_detectors == 0:
        raise ValueError("nothing to draw: the model has no detectors")
    if num_detectors > _MAX_DETECTORS:
        raise ValueError(
            f"{num_detectors} detectors: at most {_MAX_DETECTORS} can be drawn, use fewer cycles"
        )


def _graph_of(model: Model) -> MatchingGraph:
    check_size(model.num_detectors)
    if isinstance(model, stim.Circuit):
        model = decoding_model(model)
    if isinstance(model, stim.DetectorErrorModel):
        model = MatchingGraph.from_dem(model)
    return model


def _checked_bits(bits: ArrayLike, size: int, name: str = "observable flips") -> NDArray[np.bool_]:
    found = np.asarray(bits)
    if found.shape != (size,):
        raise ValueError(f"{name} have shape {found.shape}, expected ({size},)")
    if found.dtype != np.bool_ and not np.isin(found, (0, 1)).all():
        raise ValueError(f"{name} must be bool, or integers 0 and 1")
    return found.astype(np.bool_)


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


def _solution_text(shot: EventGraph, growth: Growth, truth: NDArray[np.bool_] | None) -> str:
    graph = shot.graph
    edges = shot.solution(growth.pairs)
    weight = int(graph.edge_weight[edges].sum(dtype=np.int64)) / graph.weight_scale
    total = sum(dual for _, dual in growth.duals) / graph.weight_scale
    predicted = observables_of(graph, edges)
    proof = "" if abs(total - weight) < 1e-9 * (1 + abs(weight)) else f" {total:.2f}, with p > 1/2:"
    text = f"{len(shot.detectors)} detection events; sum of dual variables = weight ={proof} {weight:.2f}; "
    if truth is None:
        return f"{text}flips {_names_of(predicted)}"
    real = np.flatnonzero(truth).tolist()
    if real == predicted:
        return f"{text}flips {_names_of(predicted)} (correct)"
    return f"{text}flips {_names_of(predicted)} (actual: {_names_of(real)})"


def _names_of(observables: Sequence[int]) -> str:
    return ", ".join(f"L{observable}" for observable in observables) or "no observable"
