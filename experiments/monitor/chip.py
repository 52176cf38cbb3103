"""Map of a chip with the detection fraction of each stabilizer, for a terminal."""

import numpy as np
from rich.text import Text

from experiments.monitor.watch import Detections

# Columns of a cell.
_CELL = 5
# A stabilizer that fires more often than the median one by this factor is printed bold.
_HIGH = 1.5


def chip_map(detections: Detections) -> list[Text]:
    """Draw the detection fractions in per cent where the stabilizers are; one text for each line.

    Coordinates after the second are ignored; equal places are averaged.
    """
    if not len(detections.events):
        return []
    fractions = 100 * detections.fractions
    places = np.pad(detections.places[:, :2], ((0, 0), (0, max(0, 2 - detections.places.shape[1]))))
    across, x = np.unique(places[:, 0], return_inverse=True)
    down, y = np.unique(places[:, 1], return_inverse=True)
    total, count = np.zeros((len(down), len(across))), np.zeros((len(down), len(across)))
    np.add.at(total, (y, x), fractions)
    np.add.at(count, (y, x), 1)
    high = _HIGH * np.median(fractions)
    lines = []
    for values, known in zip(total, count, strict=True):
        line = Text(no_wrap=True, overflow="crop")
        for value, number in zip(values, known, strict=True):
            if not number:
                line.append(" " * _CELL)
                continue
            mean = value / number
            line.append(_cell(mean).rjust(_CELL), style="bold" if mean > high else "")
        lines.append(line)
    return lines


def _cell(percent: float) -> str:
    return "-" if np.isnan(percent) else f"{percent:.1f}"
