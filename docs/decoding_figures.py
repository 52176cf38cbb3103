"""Draw the pictures of decoding on docs/pages/drawing.md, docs/pages/decoders/mwpm.md and docs/pages/cnot.md.

Run from the root of the project: PYTHONPATH=. python docs/decoding_figures.py
"""

import contextlib
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from experiments import cli

FIGURES = Path(__file__).resolve().parent / "pages" / "figures"
SAMPLE = "data/samples/si1000_surface_code/d5_at_q5_5/Z/r10"
COLORS = 64
_SHOT = "--code repetition --distance 7 --rounds 8 --p 0.015 --shot 16"
#: File -> commands of the pictures in it, side by side, and its width in pixels.
PICTURES = {
    "draw_surface.png": (["--distance 5 --p 0.006 --shot 129"], 600),
    "draw_model.png": (["--picture model --distance 3"], 700),
    "draw_fractions.png": (
        [f"{SAMPLE}/circuit_noisy_si1000.stim --in {SAMPLE}/detection_events.b8 --picture fractions"],
        700,
    ),
    "regions.png": (
        [
            f"{_SHOT} --width 3.2 --at 0.5 --title (a)",
            f"{_SHOT} --width 3.2 --at 0.75 --title (b)",
            f"{_SHOT} --width 3.2 --title (c)",
        ],
        960,
    ),
}

#: Pictures that the code of a page draws, and their widths in pixels.
CNOT_PAGE = FIGURES.parent / "cnot.md"
CNOT_PICTURES = {"cnot_checks.png": 560, "cnot_shot.png": 560}


def draw(options: str, path: Path) -> None:
    """Run `qec draw`."""
    code = cli.main(["draw", *options.split(), "--out", str(path)])
    assert code == 0


def combine(parts: Sequence[Path], target: Path, *, width: int) -> None:
    """Put pictures side by side in few colours."""
    pictures = [Image.open(part).convert("RGB") for part in parts]
    size = (sum(one.width for one in pictures), max(one.height for one in pictures))
    sheet = Image.new("RGB", size, "white")
    left = 0
    for one in pictures:
        sheet.paste(one, (left, 0))
        left += one.width
    small = sheet.resize((width, round(width * size[1] / size[0])), Image.Resampling.LANCZOS)
    small.quantize(COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        target, optimize=True
    )


def draw_cnot() -> None:
    """Run the code of the page on a CNOT, and copy its pictures."""
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", CNOT_PAGE.read_text(), re.MULTILINE | re.DOTALL))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        exec(compile(code, CNOT_PAGE.name, "exec"), {"__name__": "__main__"})
        for name, width in CNOT_PICTURES.items():
            combine([Path(name)], FIGURES / name, width=width)


def main() -> None:
    """Draw all pictures."""
    draw_cnot()
    with tempfile.TemporaryDirectory() as folder:
        for name, (commands, width) in PICTURES.items():
            parts = [Path(folder) / f"{number}.png" for number in range(len(commands))]
            for options, part in zip(commands, parts, strict=True):
                draw(options, part)
            combine(parts, FIGURES / name, width=width)
    draw(f"{_SHOT} --width 3 --frames 11", FIGURES / "draw_growth.gif")


if __name__ == "__main__":
    main()
