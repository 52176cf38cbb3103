"""Rows and tables of the floor that bursts set, by decoders that know their rates and that do not."""

import numpy as np

from experiments.common.numbers import estimate
from experiments.reproduce.engine.figure import Records, Row, Settings, Table
from experiments.reproduce.engine.published import words
from experiments.reproduce.scaling import bursts
from experiments.reproduce.scaling.part import Part
from experiments.reproduce.work import chain_jobs
from qec.statistics import Estimate


def part(settings: Settings, records: Records) -> Part:
    """Report the floor at the published rate of bursts, and the gain of knowing them."""
    found = {size: bursts.failures(settings, records, size) for size in bursts.SIZES}
    largest = max(found[bursts.SIZES[0]])
    number = len(found[bursts.SIZES[0]][largest])
    rows = []
    gains = {size: bursts.gain(_together(by_distance)) for size, by_distance in found.items()}
    for size, by_distance in found.items():
        pairs = by_distance[largest]
        for column, name in enumerate(("not told", "told")):
            first = size == bursts.SIZES[0] and column == 0 and largest == chain_jobs.DISTANCE
            rows.append(
                Row(
                    quantity=f"floor at d = {largest}, bursts of size {size!r}, decoder {name}",
                    ours=_times(bursts.per_burst(pairs[:, column]), chain_jobs.PUBLISHED_RATE),
                    published=words("repetition.floor") if first else "",
                    kind="predicted",
                    note="failures per cycle at the published rate of bursts",
                )
            )
        rows.append(
            Row(
                quantity=f"failures avoided if told, d >= {_large(by_distance)[0]}, size {size!r}",
                ours=gains[size],
                published="",
                kind="predicted",
                scale=100,
                unit="%",
                note="paired: the same shots, distances together",
            )
        )
    return Part(
        words=(
            f"**Bursts.** {number} bursts of each size strike the repetition code of the figure of bursts, "
            "one by one. They are decoded by matching that knows only the ordinary rates, and by matching "
            "that is told onset, decay, peak, centre and radius: all that a detector of bursts could find "
            "out. "
            + " ".join(_outcome(size, gain, found[size]) for size, gain in gains.items())
            + " Where a burst flips qubits at rates near one half there is nothing to weigh, and far from "
            "it the ordinary weights are right: knowledge helps in between. A decoder that detects bursts "
            "can also announce that a result is doubtful: they are found by detection events alone (figure "
            "of bursts)."
        ),
        rows=rows,
        tables=[_table(found)],
        limits=[
            "Bursts strike repetition codes here, as published; nothing is published on surface codes.",
            "A decoder by maximum likelihood might use what matching cannot.",
        ],
        data={
            "bursts": {
                size: {str(d): pairs.sum(axis=0).tolist() for d, pairs in by_distance.items()}
                for size, by_distance in found.items()
            }
        },
    )


def _outcome(size: str, gain: Estimate, by_distance: dict[int, bursts.Pairs]) -> str:
    """Say whether knowing the rates avoids failures."""
    where = f"For bursts of size {size!r} at d >= {_large(by_distance)[0]}"
    interval = f"{100 * gain.low:.0f} to {100 * gain.high:.0f} %"
    if gain.low > 0:
        return f"{where} this avoids {100 * gain.value:.0f} % of the failures ({interval})."
    return f"{where} the failures avoided are {interval}, compatible with none."


def _large(by_distance: dict[int, bursts.Pairs]) -> list[int]:
    """Return the larger half of the distances."""
    return sorted(by_distance)[len(by_distance) // 2 :]


def _together(by_distance: dict[int, bursts.Pairs]) -> bursts.Pairs:
    """Add up the failures of each burst over the larger distances, which share its shots."""
    chosen = np.stack([by_distance[distance] for distance in _large(by_distance)])
    together: bursts.Pairs = chosen.sum(axis=0, dtype=np.int64)
    return together


def _times(found: Estimate, factor: float) -> Estimate:
    return Estimate(factor * found.value, factor * found.low, factor * found.high)


def _table(found: dict[str, dict[int, bursts.Pairs]]) -> Table:
    rows = []
    for size, by_distance in found.items():
        for distance, pairs in by_distance.items():
            gain = bursts.gain(pairs)
            rows.append(
                [
                    size,
                    str(distance),
                    str(len(pairs)),
                    estimate(bursts.per_burst(pairs[:, 0])),
                    estimate(bursts.per_burst(pairs[:, 1])),
                    f"{100 * gain.value:.0f} [{100 * gain.low:.0f}, {100 * gain.high:.0f}] %"
                    if pairs[:, 0].any()
                    else "",
                ]
            )
    return Table(
        title="Failing shots of 1000 cycles per burst, by a decoder that is not told and one that is [95 %]",
        header=("size", "d", "bursts", "not told", "told", "avoided"),
        rows=rows,
    )
