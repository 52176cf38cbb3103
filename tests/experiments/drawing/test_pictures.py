"""Pictures of matchings, models and chips: their geometry, their text, and files of every kind."""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest
import stim
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from decoders import MatchingGraph
from experiments.drawing import draw_detection_fractions, draw_matching, draw_model, pictures
from experiments.drawing.event_graph import EventGraph
from experiments.drawing.growth import grow_regions
from experiments.drawing.layout import place_detectors
from experiments.drawing.moments import Illustrator
from experiments.plotting import canvas, matching

# A chain with boundaries at both ends and weights 2, 2, 2: boundary - D0 - D1 - boundary.
_CHAIN = """
error(0.1192029220221176) D0 L0
error(0.1192029220221176) D0 D1
error(0.1192029220221176) D1
"""
_PLACED = _CHAIN + "detector(0, 0) D0\ndetector(2, 0) D1\n"


def surface(distance: int) -> stim.DetectorErrorModel:
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=distance,
        rounds=distance,
        after_clifford_depolarization=0.01,
        before_measure_flip_probability=0.01,
    )
    return circuit.detector_error_model(decompose_errors=True)


def shot_of(dem: stim.DetectorErrorModel, *, seed: int = 1) -> np.ndarray:
    events, _, _ = dem.compile_sampler(seed=seed).sample(10)
    return events[events.sum(axis=1).argmax()]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, before they are cleared."""
    found: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: object, **options: object) -> None:
        found.append(figure)
        for text in figure.texts:
            assert text.get_window_extent().x1 <= figure.bbox.x1
            assert text.get_window_extent().y0 >= figure.axes[0].get_window_extent().y1 - 1
        for legend in figure.legends:
            assert legend.get_window_extent().y1 <= figure.axes[0].get_window_extent().y0 + 1
            assert legend.get_window_extent().x0 >= -1
            assert legend.get_window_extent().x1 <= figure.bbox.x1 + 1
        save(figure, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    return found


def texts_of(path: Path) -> str:
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text()))


def test_a_region_covers_its_radius() -> None:
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel(_PLACED))
    layout = place_detectors(graph, shown=np.ones(2, dtype=np.bool_))
    assert layout.places.tolist() == [[0, 0], [1, 0]]
    assert layout.ends[:, 0].tolist() == pytest.approx([-0.55, 1.55])
    shot = EventGraph.from_shot(graph, np.array([True, False]))
    growth = grow_regions(shot.between, shot.boundary)
    illustrator = Illustrator(shot, growth, layout, labels=False)
    # Half of the growth covers half of both edges.
    first = illustrator.moment(growth.steps[0], growth.steps[-1].time / 2)
    assert [region.state for region in first.regions] == ["growing"]
    assert sorted(first.regions[0].outline[:, 0]) == pytest.approx([-0.275, 0.5])
    last = illustrator.last_moment()
    assert sorted(last.regions[0].outline[:, 0]) == pytest.approx([-0.55, 1])
    assert len(last.matched.plain) == 0
    assert last.matched.flipping.tolist() == [[[0, 0], pytest.approx([-0.55, 0])]]


def test_a_region_on_a_torus_continues_at_the_other_side() -> None:
    ring = [f"error(0.1) D{at} D{(at + 1) % 8}\ndetector({at}, 0) D{at}" for at in range(8)]
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel("\n".join(ring)))
    layout = place_detectors(graph, shown=np.ones(8, dtype=np.bool_))
    shot = EventGraph.from_shot(graph, np.arange(8) % 4 == 0)
    growth = grow_regions(shot.between, shot.boundary)
    moment = Illustrator(shot, growth, layout, labels=False).last_moment()
    spans = sorted(
        [outline[:, 0].min(), outline[:, 0].max()] for outline in (r.outline for r in moment.regions)
    )
    assert spans == [[0, 2], [2, 6], [6, 7]]


@pytest.mark.parametrize("distance", [3, 5, 7, 9])
def test_detectors_do_not_hide_each_other(distance: int) -> None:
    graph = MatchingGraph.from_dem(surface(distance))
    shown = np.isin(graph.component, graph.component[graph.edge_u[graph.edge_observables.any(axis=1)]])
    places = place_detectors(graph, shown=shown).places[shown]
    apart = np.hypot(*(places[:, np.newaxis] - places).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.12  # an edge is about 1 long, an event's marker 0.25 wide


def test_without_coordinates_positions_follow_the_graph(tmp_path: Path) -> None:
    lines = [f"error(0.1) D{here} D{here + 1}" for here in range(5)] + ["error(0.1) D7 D8", "detector D9"]
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel("\n".join(lines)))
    layout = place_detectors(graph, shown=np.ones(10, dtype=np.bool_))
    steps = np.hypot(*np.diff(layout.places[:6], axis=0).T)
    assert steps.tolist() == pytest.approx([1.0] * 5)
    assert np.isfinite(layout.places).all()
    assert layout.arrows == ()
    path = draw_matching(stim.DetectorErrorModel(_CHAIN), [True, True], path=tmp_path / "a.svg")
    assert "no coordinates: positions from distances in the graph" in texts_of(path)


@pytest.mark.parametrize(
    ("declared", "axes", "arrows"),
    [
        ("0,0,0 2,0,0 0,2,0 0,0,1", None, "xyt"),
        ("0,0,0 2,0,0 0,2,0 2,2,0", None, "xy"),
        ("0,0,0 2,0,0 0,0,1 2,0,1", None, "xt"),
        ("0,0 2,0 0,1 2,1", None, "xt"),
        ("0,0 2,0 0,1 2,1", ("x", "y"), "xy"),
        ("0 1 2 3", None, "x"),
    ],
)
def test_coordinates_of_any_dimension(declared: str, axes: tuple[str, ...] | None, arrows: str) -> None:
    lines = ["error(0.1) D0 D1", "error(0.1) D1 D2", "error(0.1) D2 D3", "error(0.1) D3 L0"]
    lines += [f"detector({numbers}) D{at}" for at, numbers in enumerate(declared.split())]
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel("\n".join(lines)))
    layout = place_detectors(graph, shown=np.ones(4, dtype=np.bool_), axes=axes)
    assert "".join(name for _, name in layout.arrows) == arrows
    assert len(np.unique(layout.places.round(6), axis=0)) == 4


def test_every_kind_of_file(tmp_path: Path) -> None:
    dem = stim.DetectorErrorModel(_PLACED)
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".gif": b"GIF8", ".html": b"<!DOCTYPE"}
    assert set(starts) == set(canvas.ENDINGS)
    for ending, start in starts.items():
        path = draw_matching(dem, [True, True], path=tmp_path / f"a{ending}", title="<&>", most_frames=5)
        assert path.read_bytes().startswith(start)
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 5
    page = (tmp_path / "a.html").read_text()
    assert page.count('"iVBOR') == 5
    assert "//" not in re.sub(r'"iVBOR[^"]*"|base64,[^"]*"', "", page)
    assert "<title>&lt;&amp;&gt;</title>" in page


@pytest.mark.parametrize("width", [3.0, 6.4])
def test_text_and_legend_leave_the_data_free(width: float, figures: list[Figure], tmp_path: Path) -> None:
    """Checked by the fixture; a shot with regions of all states, blossoms and a matched observable."""
    dem = surface(5)
    for at, view in ((0.6, "3d"), (1.0, "top")):
        events = shot_of(dem, seed=3)
        draw_matching(
            dem, events, path=tmp_path / "a.png", at=at, view=view, width=width, components="all", title="T"
        )
    draw_model(dem, path=tmp_path / "b.png", width=width)
    draw_detection_fractions(
        dem, np.linspace(0, 0.1, dem.num_detectors), path=tmp_path / "c.png", width=width
    )
    assert len(figures) == 4


def test_what_a_picture_says(tmp_path: Path) -> None:
    events = [True, False]
    model = stim.DetectorErrorModel(_PLACED + "error(0.1) D2\nerror(0.1) D2 D3\ndetector(9, 9) D3")
    both = [*events, True, False]
    path = draw_matching(model, both, path=tmp_path / "a.svg", labels=True, observable_flips=[True])
    text = texts_of(path)
    assert "2 detection events; sum of dual variables = weight = 4.20; flips L0 (correct)" in text
    assert "1 of 2 detection events not shown: no observable in their components" in text
    assert all(words in text for words in (" D0 ", " matched, flips an observable ", " boundary"))
    draw_matching(model, both, path=path, components="all", observable_flips=[False])
    text = texts_of(path)
    assert "flips L0 (actual: no observable)" in text
    assert "not shown" not in text


def test_regions_differ_in_grey() -> None:
    grey = sorted(0.3 * r + 0.59 * g + 0.11 * b for r, g, b in map(to_rgb, matching._FACES.values()))
    assert min(np.diff(grey)) > 0.12


def test_models_with_larger_errors(tmp_path: Path) -> None:
    text = "error(0.1) D0 D1 D2\nerror(0.2) D0 L0\ndetector(0, 0) D0\ndetector(1, 0) D1\ndetector(0, 1) D2"
    path = draw_model(stim.DetectorErrorModel(text), path=tmp_path / "a.svg")
    assert "detectors: 3; edges: 1; errors on three detectors or more: 1" in texts_of(path)
    with pytest.raises(ValueError, match="component with 3 detectors"):
        draw_matching(stim.DetectorErrorModel(text), [True] * 3, path=path)


def test_fractions_are_means_over_cycles(tmp_path: Path) -> None:
    places = [(x, 0, cycle) for cycle in range(4) for x in (0, 2)]
    text = "\n".join(f"detector{place} D{at}".replace(" ", "", 2) for at, place in enumerate(places))
    model = stim.DetectorErrorModel(re.sub(r"\)D", ") D", text))
    fractions = [0.9, 0.9, 0.1, 0.2, 0.3, 0.4, 0.9, 0.9]
    path = draw_detection_fractions(model, fractions, path=tmp_path / "a.svg")
    text = texts_of(path)
    assert "mean 25.00 %, 20.00 to 30.00 % without the first and the last cycle" in text
    assert {"20.0", "30.0"} <= set(text.split())
    draw_detection_fractions(model, fractions, path=path, skip_ends=False)
    assert "mean 57.50 %, 55.00 to 60.00 %" in texts_of(path)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("expected (2,)", {"detection_events": [True]}),
        ("integers 0 and 1", {"detection_events": [2, 0]}),
        ("choose one of", {"view": "front"}),
        ("choose one of", {"components": "some"}),
        ("between 0 and 1", {"at": 1.5}),
        ("at least 2", {"most_frames": 1}),
        ("at most 2 coordinates", {"axes": ("x", "y", "t")}),
        ("must end in one of", {"path": "a.jpg"}),
        ("width=0.5: must lie between 1.5 and 40 inches", {"width": 0.5}),
        ("expected (1,)", {"observable_flips": [True, True]}),
    ],
)
def test_wrong_arguments(words: str, options: dict[str, object], tmp_path: Path) -> None:
    arguments: dict[str, object] = {"detection_events": [True, True], "path": tmp_path / "a.svg"} | options
    with pytest.raises(ValueError, match=re.escape(words)):
        draw_matching(stim.DetectorErrorModel(_PLACED), **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".svg", ".gif"])
def test_shots_without_events_are_drawn(ending: str, tmp_path: Path) -> None:
    path = draw_matching(stim.DetectorErrorModel(_PLACED), [False, False], path=tmp_path / f"a{ending}")
    if ending == ".svg":
        assert "0 detection events; sum of dual variables = weight = 0.00" in texts_of(path)


def test_shots_that_no_error_explains() -> None:
    model = stim.DetectorErrorModel("error(0.1) D0 D1 L0")
    with pytest.raises(ValueError, match=r"^no error explains"):
        draw_matching(model, [True, False], path="a.svg")


def test_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(pictures)
    assert result.attempted > 0
    assert result.failed == 0
