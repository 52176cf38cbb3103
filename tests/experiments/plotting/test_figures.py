"""Figures: the pictures say what they must, in colour and in grey, and leave no trace in matplotlib."""

import itertools
import math
import struct
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from experiments.plotting import style
from experiments.plotting.figures import (
    CycleSeries,
    DetectionSeries,
    RatioSeries,
    SuppressionSeries,
    curves_panel,
    draw_cycles,
    draw_grid,
    draw_overview,
    draw_ratio,
    draw_suppression,
)
from experiments.plotting.labels import epsilon_label, power_label, suppression_label, with_interval
from experiments.plotting.series import CurvePanel, CurveSeries
from experiments.plotting.strengths import StrengthPanel, StrengthSeries, draw_strengths
from qec.statistics import Estimate, error_per_cycle, logical_error_rate, suppression_factor


def suppression(label="matching", errors=(300, 150, 75)):
    epsilons = [error_per_cycle(cycles=10, errors=k, shots=10_000).epsilon for k in errors]
    fit = suppression_factor(distances=[3, 5, 7], epsilons=epsilons)
    return SuppressionSeries(label, (3, 5, 7), epsilons, fit)


def cycles(label="d = 3", errors=(300, 800, 1200), shots=10_000):
    rates = [logical_error_rate(errors=k, shots=shots) for k in errors]
    fit = error_per_cycle(cycles=[10, 30, 50], errors=errors, shots=shots)
    return CycleSeries(label, (10, 30, 50), rates, fit)


def detection(label="d = 3", number=11, value=0.08):
    return DetectionSeries(
        label, {cycle: Estimate(value, 0.95 * value, 1.05 * value) for cycle in range(number)}
    )


def ratio(label="p = 0.1 %", ratios=None):
    ratios = ratios or (0.8, 1.2, Estimate(2.0, 1.8, 2.2))
    return RatioSeries(label, (3, 5, 7), ratios)


DRAWINGS = [
    (draw_suppression, {"series": [suppression(), suppression("other", (500, 400, 300))]}),
    (draw_cycles, {"series": [cycles(), cycles("d = 5", (100, 300, 500))]}),
    (draw_overview, {"detection": [detection(), detection("d = 5", value=0.09)]}),
    (
        draw_ratio,
        {"series": [ratio(), ratio("p = 0.2 %", (1.0, 2.0, 4.0))], "y_label": "time of A / time of B"},
    ),
    (
        draw_overview,
        {"suppression": [suppression()], "cycles": [cycles()], "detection": [detection()], "title": "All"},
    ),
]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, still open for a look."""
    kept = []
    save = Figure.savefig

    def record(self, *args, **kwargs):
        kept.append(self)
        self.clear = lambda: None
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", record)
    return kept


@pytest.mark.parametrize(("ending", "start"), [("SVG", b"<?xml"), ("pdf", b"%PDF")])
def test_vector_files_are_equal_for_equal_data(ending, start, tmp_path):
    contents = [
        draw_suppression(path=tmp_path / f"{n}.{ending}", series=[suppression()]).read_bytes() for n in "ab"
    ]
    assert contents[0].startswith(start)
    assert contents[0] == contents[1]


def legend_texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize(("draw", "arguments"), DRAWINGS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_png_is_written_and_nothing_else_changes(draw, arguments, tmp_path):
    before = matplotlib.rcParams.copy()
    path = tmp_path / "figure.png"
    assert draw(path=path, **arguments) == path
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert width >= 1000
    assert height >= 700
    assert list(tmp_path.iterdir()) == [path]
    assert matplotlib.rcParams.copy() == before
    assert draw(path=str(path), **arguments).read_bytes() == content


def occupied(axes):
    """Pixels (n, 2) along all lines, error bars, arrows and edges of bands."""
    paths = [(line.get_path(), line.get_transform()) for line in axes.lines if len(line.get_path())]
    paths += [(path, group.get_transform()) for group in axes.collections for path in group.get_paths()]
    pixels = [np.empty((0, 2))]
    for path, transform in paths:
        corners = transform.transform(path.vertices)
        corners = corners[np.isfinite(corners).all(axis=1)]
        pixels.append(corners)
        if len(corners) > 1:
            # Points along every stretch, so that a long straight line counts between its ends too.
            part = np.linspace(0, 1, 50)[:, None, None]
            pixels.append((corners[:-1] * (1 - part) + corners[1:] * part).reshape(-1, 2))
    scale = axes.figure.dpi / 72
    for text in axes.texts:
        if not text.get_text():
            tip = axes.transData.transform(text.xy)
            pixels.append(tip - np.outer(np.linspace(0, 18 * scale, 5), (0, 1)))
    return np.concatenate(pixels)


@pytest.mark.parametrize(("draw", "arguments"), DRAWINGS, ids=lambda value: getattr(value, "__name__", ""))
def test_axes_are_labelled_and_the_legend_hides_nothing(draw, arguments, tmp_path, drawn):
    draw(path=tmp_path / "figure.png", **arguments)
    (figure,) = drawn
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        box = axes.get_legend().get_window_extent()
        points = occupied(axes)
        hidden = (points > (box.x0, box.y0)) & (points < (box.x1, box.y1))
        assert not hidden.all(axis=1).any()


def test_neither_import_nor_drawing_starts_pyplot(tmp_path):
    code = f"""
import sys, matplotlib
before = matplotlib.rcParams.copy()
from experiments.plotting.figures import DetectionSeries, draw_overview
assert matplotlib.rcParams.copy() == before
from qec.statistics import Estimate
series = [DetectionSeries("d = 3", {{0: Estimate(0.2, 0.1, 0.3)}})]
draw_overview(path={str(tmp_path / "f.png")!r}, detection=series)
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_series_differ_without_their_colours():
    seen = [(style.marker(index), str(style.dashes(index))) for index in range(20)]
    assert len(set(seen)) == len(seen)
    assert len({style.marker(index) for index in range(8)}) == 8
    lightness = [float(np.dot(to_rgb(style.color(index)), (0.299, 0.587, 0.114))) for index in range(7)]
    assert all(abs(a - b) > 0.1 for a, b in itertools.pairwise(lightness))


def test_suppression_shows_points_lines_and_lambda(tmp_path, drawn):
    series = [suppression("matching"), suppression("other", (500, 400, 300))]
    draw_suppression(path=tmp_path / "f.png", series=series, title="Suppression")
    (axes,) = drawn[0].axes
    assert axes.get_title() == "Suppression"
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "code distance $d$"
    assert list(axes.get_xticks()) == [3, 5, 7]
    assert legend_texts(axes) == [f"{entry.label}:  {suppression_label(entry.fit.value)}" for entry in series]
    assert axes.get_legend().get_title().get_text() == "bars and bands: 95 % intervals"
    low, high = axes.get_ylim()
    for estimate in (estimate for entry in series for estimate in entry.epsilons):
        assert low < estimate.low < estimate.high < high
    line = next(line for line in axes.lines if len(line.get_xdata()) > 10)
    at_five = np.interp(5, line.get_xdata(), np.log(line.get_ydata()))
    assert math.exp(at_five) == pytest.approx(series[0].fit.predict(5).value, rel=1e-6)
    assert len(axes.collections) >= 2  # the bands


def test_no_errors_become_arrows_and_no_line(tmp_path, drawn):
    series = suppression("few", (100, 0, 0))
    draw_suppression(path=tmp_path / "f.png", series=[series])
    (axes,) = drawn[0].axes
    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", None) is not None]
    assert [arrow.xy for arrow in arrows] == [(d, series.epsilons[1].high) for d in (5, 7)]
    assert axes.get_ylim()[0] < series.epsilons[1].high / 2
    assert max(len(line.get_xdata()) for line in axes.lines) == 1
    assert legend_texts(axes)[0].startswith("few:  Λ > ")


def test_cycles_show_the_fit_and_half(tmp_path, drawn):
    high, low = cycles("d = 3", (3000, 4600, 4900)), cycles("d = 5", (10, 40, 0))
    draw_cycles(path=tmp_path / "f.png", series=[high, low])
    (axes,) = drawn[0].axes
    assert axes.get_legend().get_title().get_text() == "bars: 99.98 % intervals; numbers: 95 %"
    curve = next(line for line in axes.lines if len(line.get_xdata()) > 10)
    assert curve.get_ydata() == pytest.approx(high.fit.probability(curve.get_xdata()))
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["1/2: nothing left"]
    draw_cycles(path=tmp_path / "f.png", series=[low])
    assert not any(text.get_text() for text in drawn[1].axes[0].texts)


def test_detection_is_in_per_cent_from_zero_and_long_series_have_bands(tmp_path, drawn):
    draw_overview(path=tmp_path / "f.png", detection=[detection(number=10)])
    draw_overview(path=tmp_path / "f.png", detection=[detection(number=100)])
    short, long = (figure.axes[0] for figure in drawn)
    assert short.get_ylabel() == "detection fraction (%)"
    assert short.get_ylim()[0] == 0
    assert short.get_legend().get_title().get_text() == "bars: 95 % intervals"
    assert long.get_legend().get_title().get_text() == "bands: 95 % intervals"
    assert any(np.allclose(line.get_ydata(), 8) for line in short.lines if len(line.get_ydata()) == 10)


def test_detection_is_drawn_in_the_order_of_cycles(tmp_path, drawn):
    fractions = {2: Estimate(0.2, 0.1, 0.3), 0: Estimate(0.1, 0.05, 0.2), 1: Estimate(0.3, 0.2, 0.4)}
    draw_overview(path=tmp_path / "f.png", detection=[DetectionSeries("d = 3", fractions)])
    lines = [line for line in drawn[0].axes[0].lines if line.get_label() == "d = 3"]
    assert list(lines[0].get_xdata()) == [0, 1, 2]
    assert list(lines[0].get_ydata()) == pytest.approx([10, 30, 20])


def test_ratio_has_its_reference_and_plain_ticks(tmp_path, drawn):
    draw_ratio(
        path=tmp_path / "f.png",
        series=[ratio()],
        y_label="time of A / time of B",
        reference_label="equal speed",
    )
    draw_ratio(path=tmp_path / "f.png", series=[ratio(ratios=(0.5, 5.0, 900.0))], y_label="ratio")
    axes, wide = (figure.axes[0] for figure in drawn)
    assert axes.get_ylabel() == "time of A / time of B"
    assert [text.get_text() for text in axes.texts] == ["equal speed"]
    assert axes.get_ylim()[0] < 0.8 < 2.2 < axes.get_ylim()[1]
    assert axes.get_legend().get_title().get_text() == "bars: 95 % intervals"
    assert wide.get_legend().get_title().get_text() == ""
    wide.figure.draw_without_rendering()
    ticks = [tick.get_text() for tick in wide.get_yticklabels()]
    assert {"1", "10", "100"} <= set(ticks)


def test_a_crowded_figure_grows_downwards_for_its_legend(tmp_path, drawn):
    crowd = [
        SuppressionSeries(f"series {n}", (3, 5, 7), [Estimate(v, v * 0.9, v * 1.1) for v in values])
        for n, values in enumerate(itertools.permutations((1e-5, 1e-4, 1e-3, 1e-2), 3))
    ]
    draw_suppression(path=tmp_path / "f.png", series=[suppression()])
    draw_suppression(path=tmp_path / "f.png", series=crowd)
    plain, grown = drawn
    assert grown.get_figheight() > plain.get_figheight() + 0.5
    box = grown.axes[0].get_legend().get_window_extent()
    assert box.y1 < grown.axes[0].get_window_extent().y0
    assert box.y0 >= 0


def test_long_legends_fit_below_their_panels(tmp_path, drawn):
    """Many long labels once shrank the axes to nothing and left the legend outside the figure."""
    crowd = [suppression(f"p = {n / 1000}, mwpm-correlated", (300 + n, 150 + n, 75 + n)) for n in range(9)]
    draw_grid(path=tmp_path / "f.png", panels={"a": crowd, "b": crowd[:2]})
    (figure,) = drawn
    axes = figure.axes[0]
    assert axes.get_window_extent().width > 0.35 * figure.bbox.width
    box = axes.get_legend().get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.axes[1].get_tightbbox().x0
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_a_wide_legend_leaves_the_axes(tmp_path, drawn):
    draw_suppression(path=tmp_path / "f.png", series=[suppression("the name of a published decoder, " * 2)])
    (figure,) = drawn
    box = figure.axes[0].get_legend().get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert box.y1 < figure.axes[0].get_window_extent().y0


def test_equal_points_are_drawn_side_by_side(tmp_path, drawn):
    equal, other = suppression("a"), suppression("c", (3000, 2000, 1000))
    draw_suppression(path=tmp_path / "f.png", series=[equal, suppression("b"), other])
    (axes,) = drawn[0].axes
    at = {}
    for line in axes.lines:
        if line.get_marker() in ("o", "s", "^") and len(line.get_xdata()):
            (pixel,) = line.get_transform().transform(np.column_stack([*map(np.float64, line.get_data())]))
            at.setdefault(line.get_marker(), []).append(pixel[0])
    scale = drawn[0].dpi / 72
    assert np.subtract(at["s"], at["o"]) / scale == pytest.approx([6.5] * 3)
    assert at["^"] == pytest.approx(np.add(at["o"], at["s"]) / 2)


def test_strengths_show_the_crossing(tmp_path, drawn):
    strengths = [0.002, 0.004, 0.006, 0.008]
    series = [
        StrengthSeries(f"d = {d}", strengths, [Estimate(v, 0.9 * v, 1.1 * v) for v in values])
        for d, values in [(3, (1e-3, 4e-3, 9e-3, 0.016)), (5, (1e-4, 2e-3, 9e-3, 0.03))]
    ]
    crossing = (Estimate(0.006, 0.0055, 0.0065), "d = 3 and 5 cross")
    draw_strengths(
        path=tmp_path / "f.png", panels=[StrengthPanel(title="", series=series, crossing=crossing)], title="T"
    )
    (axes,) = drawn[0].axes
    assert axes.get_title() == "T"
    assert legend_texts(axes) == ["d = 3", "d = 5", "d = 3 and 5 cross:\n$p$ = 0.0060 ± 0.0005"]
    assert any(list(line.get_xdata()) == [0.006, 0.006] for line in axes.lines)


def test_overview_has_only_the_panels_given(tmp_path, drawn):
    draw_overview(path=tmp_path / "f.png", suppression=[suppression()], cycles=[cycles()])
    draw_overview(path=tmp_path / "f.png", cycles=[cycles()])
    both, one = drawn
    assert len(both.axes) == 2
    assert "mathbf{a}" in both.axes[0].get_title(loc="left")
    assert one.axes[0].get_title(loc="left") == "Logical error over time"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: draw_cycles(path=p / "f.png", series=[]), ValueError, "series is empty"),
        (lambda p: draw_overview(path=p / "f.png"), ValueError, "give suppression, cycles or detection"),
        (lambda p: draw_cycles(path=p / "f.gif", series=[cycles()]), ValueError, "ends in .png"),
        (lambda p: draw_cycles(path=p / "no" / "f.png", series=[cycles()]), FileNotFoundError, "no folder"),
        (
            lambda p: draw_ratio(path=p / "f.png", series=[RatioSeries("x", (3, 5), (1.0,))], y_label="y"),
            ValueError,
            "series 'x' has 2 positions but 1 values",
        ),
        (
            lambda p: draw_ratio(path=p / "f.png", series=[RatioSeries("x", (), ())], y_label="y"),
            ValueError,
            "series 'x' has no points",
        ),
        (
            lambda p: draw_ratio(path=p / "f.png", series=[RatioSeries("x", (3,), (0.0,))], y_label="y"),
            ValueError,
            "series 'x': ratios must be above zero, got 0.0",
        ),
        (
            lambda p: draw_suppression(
                path=p / "f.png", series=[SuppressionSeries("x", (3,), (Estimate(math.nan, 0, math.inf),))]
            ),
            ValueError,
            "no value and no end of an interval is above zero",
        ),
    ],
)
def test_wrong_input_is_named_and_leaves_no_file(call, error, message, tmp_path):
    with pytest.raises(error, match=message) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(2.0404, 2.0223, 2.0587), "2.040 ± 0.018"),
        (Estimate(2.04, 2.01, 2.07), "2.04 ± 0.03"),
        (Estimate(28.0, 16.0, 48.0), "28 [16, 48]"),
        (Estimate(0.46, 0.31, 0.69), "0.46 [0.31, 0.69]"),
        (Estimate(495.0, 158.0, 1550.0), "495 [158, 1550]"),
        (Estimate(3.0, 3.0, 3.0), "3 [3, 3]"),
        (Estimate(3.0, 2.0, math.inf), "3 [2, inf]"),
    ],
)
def test_interval_as_words(estimate, expected):
    assert with_interval(estimate) == expected


def test_lambda_and_epsilon_as_words():
    assert suppression_label(Estimate(math.nan, 0, math.inf)) == "Λ unknown"
    assert suppression_label(Estimate(math.inf, 52.03, math.inf)) == "Λ > 52"
    assert suppression_label(Estimate(0, 0, 0.0192)) == "Λ < 0.019"
    assert suppression_label(Estimate(2.04, 2.01, 2.07)) == "Λ = 2.04 ± 0.03"
    assert epsilon_label(Estimate(0.5, 0.0, 0.5)) == r"$\varepsilon$ unknown"
    assert epsilon_label(Estimate(0.0, 0.0, 1.92e-4)) == r"$\varepsilon$ < $1.9\times 10^{-4}$"
    assert epsilon_label(Estimate(0.2, 0.19, 0.21)) == r"$\varepsilon$ = 0.200 ± 0.010"
    assert (
        epsilon_label(Estimate(1.43e-3, 1.40e-3, 1.46e-3))
        == r"$\varepsilon$ = (1.43 ± 0.03) $\times\,10^{-3}$"
    )
    assert power_label(1e-3) == "$10^{-3}$"
    assert power_label(1.5e-3, digits=2) == r"$1.5\times 10^{-3}$"


def test_bars_of_a_linear_panel_are_inside() -> None:
    series = CurveSeries("found", [3, 5], [Estimate(2.0, 1.5, 3.1), Estimate(1.0, 0.5, 9.0)])
    panel = CurvePanel(title="a", x_label="x", y_label="y", series=[series])
    axes = Figure().subplots()
    curves_panel(axes, panel)
    low, high = axes.get_ylim()
    assert low == 0
    assert 3.1 < high < 4  # the second bar is cut: it would leave no height for the values
