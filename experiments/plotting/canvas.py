"""Files of pictures with a fixed scale: one frame as PNG, SVG or PDF, several as GIF or HTML.

Text stands above and the legend below the axes, so that neither covers data.
"""

import base64
import html
import io
import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image

from experiments.plotting.style import STYLE
from qec.files import write_file

#: Endings of files, and whether several frames go into them.
ENDINGS = {".png": False, ".svg": False, ".pdf": False, ".gif": True, ".html": True}
#: Smallest and largest width of a picture in inches.
WIDTHS = (1.5, 40.0)
_LINE, _LEGEND_ROW, _MARGIN = 0.2, 0.22, 0.12  # inches
_HIGHEST = 7.5  # inches of axes
_LEAST_BAR = 1.6  # inches: the label of a colour bar fits
#: Inches to keep free for a colour bar, its label and its numbers.
BAR_ROOM = 1.0
_SIZES = (10.0, 8.5)  # points of the first line and the others
_CHARACTER = 0.55  # average width of a character divided by its size, rather too large
_COLUMN = 2.05  # inches of a legend entry
_FRAME_MS, _LAST_MS = 400, 3000
_FRAME_DPI = 100
_COLORS = 64


def check_path(path: Path | str, *, frames: bool = True) -> Path:
    """Return a path whose ending is one of `ENDINGS` and whose folder exists.

    Args:
        path: File to write.
        frames: Whether the picture has several frames, which .gif and .html are for.

    Raises:
        ValueError: Another ending.
        FileNotFoundError: The folder is missing.
    """
    target = Path(path)
    endings = [ending for ending, several in ENDINGS.items() if frames or not several]
    if target.suffix.lower() not in endings:
        raise ValueError(f"{target}: the name must end in one of {', '.join(endings)}")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: no folder {target.parent}, make it first")
    return target


def is_animation(path: Path | str) -> bool:
    """Whether a file of this name holds several frames."""
    return ENDINGS.get(Path(path).suffix.lower(), False)


@contextmanager
def canvas(
    *, extent: tuple[float, float, float, float], width: float, lines: int, entries: int, room: float = 0.0
) -> Iterator[tuple[Figure, Axes]]:
    """Make axes of equal scale in both directions.

    Args:
        extent: Smallest and largest x, smallest and largest y of the data.
        width: Of the figure in inches.
        lines: Number of lines of text above the axes, folded.
        entries: Number of entries of the legend.
        room: Inches kept free on the right, for a colour bar.

    Raises:
        ValueError: A width that leaves no room, or is no picture's.
    """
    if not WIDTHS[0] <= width <= WIDTHS[1]:
        raise ValueError(f"width={width:g}: must lie between {WIDTHS[0]:g} and {WIDTHS[1]:g} inches")
    left, right, bottom, top = extent
    inner = width - 2 * _MARGIN - room
    ratio = (top - bottom) / (right - left)
    height = min(inner * ratio, _HIGHEST)
    if room:
        height = max(height, _LEAST_BAR)
    above = _LINE * lines + _MARGIN
    below = _LEGEND_ROW * math.ceil(entries / legend_columns(width)) + _MARGIN
    total = above + height + below
    with matplotlib.rc_context({**STYLE, "svg.fonttype": "none", "svg.hashsalt": "below-threshold"}):
        figure = Figure(figsize=(width, total))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((_MARGIN / width, below / total, inner / width, height / total))
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
        axes.set_aspect("equal")
        axes.set_axis_off()
        yield figure, axes
        figure.clear()


def legend_columns(width: float) -> int:
    """Number of legend entries that fit next to each other."""
    return max(1, int((width - 2 * _MARGIN) / _COLUMN))


def add_bar(figure: Figure, axes: Axes, shades: ScalarMappable, label: str) -> None:
    """Add a colour bar on the right of the axes, with the label on its left."""
    width, height = figure.get_size_inches()
    box = axes.get_position(original=True)
    tall = min(box.height, 4.0 / height)
    bar = figure.add_axes((1 - 0.6 / width, box.y0 + (box.height - tall) / 2, 0.13 / width, tall))
    figure.colorbar(shades, cax=bar)
    bar.yaxis.set_label_position("left")
    bar.set_ylabel(label, fontsize=8.5)
    if isinstance(shades.norm, LogNorm):
        bar.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    bar.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.yaxis.set_minor_formatter(NullFormatter())
    bar.tick_params(labelsize=7.5)


def fold(lines: Sequence[str], width: float) -> list[str]:
    """Break lines that are longer than a picture is wide; the first one is printed larger."""
    folded: list[str] = []
    for number, line in enumerate(lines):
        room = 72 * (width - 2 * _MARGIN) / (_CHARACTER * _SIZES[number > 0])
        folded += textwrap.wrap(line, int(room)) or [line]
    return folded


def add_text(figure: Figure, lines: Sequence[str]) -> list[Artist]:
    """Write lines above the axes, the first one larger."""
    width, height = figure.get_size_inches()
    found: list[Artist] = []
    for number, line in enumerate(fold(lines, width)):
        y = 1 - (_MARGIN / 2 + _LINE * number) / height
        size = _SIZES[number > 0]
        found.append(figure.text(_MARGIN / width, y, line, va="top", ha="left", fontsize=size))
    return found


def add_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Put the legend below the axes."""
    if handles:
        figure.legend(
            handles=handles,
            loc="lower center",
            ncols=legend_columns(figure.get_size_inches()[0]),
            frameon=False,
            handlelength=2.6,
            borderaxespad=0.2,
            borderpad=0.1,
        )


def save_frames(figure: Figure, path: Path, draw: Callable[[int], None], *, frames: int, title: str) -> None:
    """Draw frames one by one and write them to a file.

    Args:
        figure: To draw on.
        path: As `check_path` returns it. Without an animation only the last frame is drawn.
        draw: Draws the frame of a number in place of the one before.
        frames: How many.
        title: Of an HTML page.
    """
    if not is_animation(path):
        draw(frames - 1)
        metadata = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        kind = path.suffix.lower()
        content = io.BytesIO()
        figure.savefig(content, format=kind.removeprefix("."), metadata=metadata[kind])
        write_file(path, content.getvalue())
        return
    pictures = []
    for number in range(frames):
        draw(number)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_FRAME_DPI, metadata={"Software": None})
        with Image.open(buffer) as picture:
            pictures.append(picture.convert("RGB"))
    few = _reduce_colors(pictures)
    if path.suffix.lower() == ".gif":
        durations = [_FRAME_MS] * (frames - 1) + [_LAST_MS]
        options = {"append_images": few[1:], "duration": durations, "loop": 0, "disposal": 1}
        content = io.BytesIO()
        few[0].save(content, format="gif", save_all=True, **options)
        write_file(path, content.getvalue())
    else:
        write_file(path, _page(few, title))


def _reduce_colors(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Reduce frames to one small palette: what does not change then takes no room in a GIF."""
    samples = [pictures[at] for at in sorted({0, len(pictures) // 2, len(pictures) - 1})]
    sheet = Image.new("RGB", (samples[0].width, sum(one.height for one in samples)))
    for number, one in enumerate(samples):
        sheet.paste(one, (0, number * one.height))
    palette = sheet.quantize(_COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    return [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]


def _page(pictures: Sequence[Image.Image], title: str) -> str:
    """Make a page with a slider over pictures, which loads nothing."""
    sources = []
    for picture in pictures:
        buffer = io.BytesIO()
        picture.save(buffer, format="png", optimize=True)
        sources.append(base64.b64encode(buffer.getvalue()).decode())
    last = len(sources) - 1
    width = pictures[0].width
    listing = ",\n".join(f'"{source}"' for source in sources)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{html.escape(title)}</title>
<style>
body {{ font-family: sans-serif; margin: 1em auto; max-width: {width}px; padding: 0 0.5em }}
body {{ background: #fff; color: #000 }}
img {{ width: 100% }}
form {{ display: flex; gap: 0.5em; align-items: center }}
input {{ flex: 1 }}
</style>
</head>
<body>
<form>
<button type="button" id="play">Play</button>
<input type="range" id="frame" aria-label="frame" min="0" max="{last}" value="{last}">
<output id="number"></output>
</form>
<img id="picture" alt="{html.escape(title)}" src="data:image/png;base64,{sources[last]}">
<script>
const sources = [
{listing}
];
const get = (name) => document.getElementById(name);
const frame = get("frame"), play = get("play");
let timer = null;
function show(number) {{
  frame.value = number;
  get("picture").src = "data:image/png;base64," + sources[number];
  get("number").value = `${{number + 1}} / ${{sources.length}}`;
}}
function stop() {{
  clearInterval(timer);
  timer = null;
  play.textContent = "Play";
}}
frame.addEventListener("input", () => {{ stop(); show(Number(frame.value)); }});
play.addEventListener("click", () => {{
  if (timer !== null) return stop();
  if (Number(frame.value) === {last}) show(0);
  play.textContent = "Pause";
  timer = setInterval(() => {{
    if (Number(frame.value) === {last}) return stop();
    show(Number(frame.value) + 1);
  }}, {_FRAME_MS});
}});
show({last});
</script>
</body>
</html>
"""
