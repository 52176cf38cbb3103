"""Bursts of correlated errors: found in a long record by detection events alone, and what they do."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.common.tables import duration
from experiments.reproduce.engine.figure import Job, Picture, Record, Records, Row, Section, Settings, Table
from experiments.reproduce.engine.published import words
from experiments.reproduce.work import chain_jobs, chain_results
from experiments.reproduce.work.chain_record import ChainRecord
from experiments.reproduce.work.chain_scan import FoundBurst
from qec.sampling import Burst
from qec.statistics import Estimate

TITLE = "Bursts of correlated errors"
_CYCLE_US = 1.1
_BIN = 50
_BEFORE, _AFTER = 500, 2500
# So few checks at the centre see nearly the same rate of errors.
_NEAR = 6

Pairs = Sequence[tuple[Burst, FoundBurst | None]]


def jobs(settings: Settings) -> list[Job]:
    """One record, searched but not decoded."""
    return [chain_jobs.searched_record(settings)]


def section(settings: Settings, records: Records) -> Section:
    """What was found beside what there was."""
    job = chain_jobs.searched_record(settings)
    done = records[job]
    search = chain_results.search(job, done)
    record, pairs = search.record, search.pairs
    bursts = [burst for burst, _ in pairs]
    shown = max((burst for burst, one in pairs if one), key=lambda burst: burst.peak, default=None)
    pictures = []
    note = ""
    decay: Estimate | str = "-"
    if shown is not None:
        events = _around(record, shown, bursts)
        detectors = done["shots"] * record.shots.num_layers * record.shots.num_checks
        fit = _fit(record, shown, events, quiet=done["events"] / detectors)
        decay = fit.decay_us
        pictures.append(
            Picture(
                name="bursts",
                caption="The strongest burst found in this section's record. Left: every detection event, "
                "cycle by cycle along the chain. Right: detection fraction of the six checks at its "
                "centre, and the fitted curve, which saturates at one half.",
                draw=lambda path: _draw(path, record, shown, events, fit),
            )
        )
        note = f"of the strongest burst found, its own decay {shown.decay * _CYCLE_US:.0f} us"
    return Section(
        summary=(
            f"{done['cycles']:.3g} cycles ({duration(done['cycles'] * _CYCLE_US * 1e-6)} of device time) of "
            f"the d = 29 chain with {len(bursts)} bursts (one per {1 / record.rate:.2g} cycles on average"
            f"{', raised for the quick run' if settings.quick else ', as published'}), looked at through "
            f"windows of {record.window[0]} cycles and {record.window[1]} neighbouring checks: a window with "
            f"{done['threshold']} events or more is called a burst. Chance alone would do that in fewer than "
            f"{done['false_alarms']:.2g} windows of such a record. {search.num_found} of {len(bursts)} "
            f"bursts were found, {search.num_false} windows called one were none. "
            + (
                "The figure shows the strongest of them."
                if shown is not None
                else "None was found, so none is shown."
            )
        ),
        calibrated="nothing here; the noise is that of the repetition codes.",
        predicted="how surely detection events alone tell a burst; at which distances it makes a chain fail.",
        rows=[
            Row(
                quantity="bursts in the record",
                ours=str(len(bursts)),
                published=words("repetition.bursts"),
                kind="input",
                note=f"mean {search.mean:.2g}",
            ),
            Row(
                quantity="bursts found",
                ours=search.words(),
                published="",
                kind="predicted",
            ),
            Row(
                quantity="decay of a burst, from its detection events (us)",
                ours=decay,
                published=words("repetition.burst_decay", unit=""),
                kind="predicted",
                note=note,
            ),
        ],
        tables=[_burst_table(record, pairs, done)],
        pictures=pictures,
        limits=[
            "Bursts are flips of data qubits and of results, each with its own probability, that set in at "
            "once and die away exponentially; the shape along the chain (a Gauss curve), its width and the "
            "peak are our assumption.",
            "The other kind of rare event in the paper, one or two detectors raised for tens to hundreds of "
            "cycles, is not simulated.",
            "Only shots that a burst touches or that look like one are decoded here; the rest of the record "
            "is searched only.",
        ],
    )


def _around(record: ChainRecord, burst: Burst, bursts: list[Burst]) -> NDArray[np.bool_]:
    """Detection events from a little before a burst to some time after it: bool (cycles, checks).

    The readout's layer of each shot is left out, so that a row is a cycle of the record.
    """
    first = max(0, int(burst.onset) - _BEFORE)
    last = int(burst.onset) + _AFTER
    shots = range(first // record.rounds, last // record.rounds + 1)
    packed, _ = record.sample(shots.start, len(shots), bursts)
    bits = np.unpackbits(
        packed, axis=1, count=record.shots.num_layers * record.shots.num_checks, bitorder="little"
    )
    layers = bits.reshape(len(shots), record.shots.num_layers, -1)[:, :-1].reshape(
        -1, record.shots.num_checks
    )
    begin = shots.start * record.rounds
    return layers[first - begin : last - begin].astype(np.bool_)


def _near(record: ChainRecord, burst: Burst) -> slice:
    """The checks around a burst's centre."""
    checks = _NEAR
    low = min(max(0, round(burst.centre - checks / 2)), record.shots.num_checks - checks)
    return slice(low, low + checks)


class _Fit(NamedTuple):
    """A burst's decay, and the curve that goes with it."""

    decay_us: Estimate
    #: Detection fraction in stretches of `_BIN` cycles from the onset on.
    curve: NDArray[np.float64]


def _fit(record: ChainRecord, burst: Burst, events: NDArray[np.bool_], *, quiet: float) -> _Fit:
    """Decay time by maximum likelihood from the checks near the centre, onset and quiet fraction known.

    Four errors that come with the burst flip a detector: its detection fraction is
    (1 - (1 - 2 quiet) (1 - 2 q)^4) / 2 with q = q_0 exp(-t / decay), which saturates at 1/2.
    """
    before = min(_BEFORE, int(burst.onset))
    near = events[:, _near(record, burst)]
    whole = (len(near) - before) // _BIN
    counts = near[before : before + whole * _BIN].reshape(whole, -1).sum(axis=1).astype(np.float64)
    size = _BIN * near.shape[1]
    times = _BIN * (np.arange(whole) + 0.5)
    decays = np.linspace(100, 1500, 281)[:, np.newaxis, np.newaxis]
    peaks = np.linspace(0.005, 0.5, 100)[np.newaxis, :, np.newaxis]
    fractions = (1 - (1 - 2 * quiet) * (1 - 2 * peaks * np.exp(-times / decays)) ** 4) / 2
    likelihood = (counts * np.log(fractions) + (size - counts) * np.log1p(-fractions)).sum(axis=2)
    profile = likelihood.max(axis=1)
    best = int(np.argmax(profile))
    curve = fractions[best, int(np.argmax(likelihood[best]))]
    # Events come in pairs (one error, two detectors): their number varies more than independent ones'.
    excess = float(((counts - size * curve) ** 2 / (size * curve * (1 - curve))).sum()) / (whole - 2)
    inside = np.flatnonzero(profile >= profile[best] - max(2.0, excess) * 1.92)
    found = Estimate(*(float(_CYCLE_US * decays[at, 0, 0]) for at in (best, inside[0], inside[-1])))
    return _Fit(found, curve)


def _burst_table(record: ChainRecord, pairs: Pairs, done: Record) -> Table:
    rows = []
    for burst, one in pairs:
        first, last = (
            int(burst.onset) // record.rounds,
            int(burst.onset + record.bursts.longest * burst.decay) // record.rounds,
        )
        failing = [
            distance
            for distance in chain_jobs.DISTANCES
            if distance >= 11 and any(first <= s <= last for s in done["failed"].get(str(distance), []))
        ]
        rows.append(
            (
                f"{burst.onset:.0f}",
                f"{burst.decay * _CYCLE_US:.0f}",
                f"{burst.peak:.2f}",
                f"{burst.centre:.1f} ± {burst.radius:.1f}",
                "missed" if one is None else f"cycle {one.first_cycle}, checks {one.check}-{one.check + 9}",
                "" if one is None else str(one.events),
                ", ".join(map(str, failing)) or "none",
            )
        )
    return Table(
        title="Bursts in the record, and what the scan found",
        header=(
            "onset (cycle)",
            "decay (us)",
            "peak",
            "place",
            "found",
            "events in the fullest window",
            "distances from 11 on that failed",
        ),
        rows=rows,
    )


def _draw(path: Path, record: ChainRecord, burst: Burst, events: NDArray[np.bool_], fit: _Fit) -> None:
    from experiments.plotting import bursts

    before = min(_BEFORE, int(burst.onset))
    near = events[:, _near(record, burst)]
    whole = len(near) // _BIN * _BIN
    bursts.draw_burst(
        path=path,
        events=events,
        start_ms=-1e-3 * _CYCLE_US * before,
        cycle_ms=1e-3 * _CYCLE_US,
        fractions=near[:whole].reshape(-1, _BIN * near.shape[1]).mean(axis=1),
        bin_cycles=_BIN,
        curve=fit.curve,
        curve_label=f"fit: decay {fit.decay_us.value:.0f} us",
    )
