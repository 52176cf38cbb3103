"""Repetition codes to distance 29: an hour of the device decoded, and by splitting what no record shows."""

import math
from pathlib import Path

from experiments.common.tables import duration, estimate, number
from experiments.plotting.series import CurvePanel, CurveSeries
from experiments.reproduce.engine.figure import Job, Picture, Record, Records, Row, Section, Settings, Table
from experiments.reproduce.engine.published import value, words
from experiments.reproduce.work import chain_jobs, chain_results
from qec.statistics import Estimate, SuppressionFit, suppression_factor

TITLE = "Repetition codes to distance 29"
_FITTED = (5, 7, 9, 11)


def jobs(settings: Settings) -> list[Job]:
    """One long record, bursts one by one, and estimates by splitting."""
    split = [job for found in chain_jobs.splitting_jobs(settings).values() for job in found]
    bursts = [job for size in chain_jobs.SIZES for job in chain_jobs.burst_jobs(settings, size)]
    return [*split, *bursts, chain_jobs.decoded_record(settings)]


def section(settings: Settings, records: Records) -> Section:
    """epsilon_d by both ways, Lambda, the floor that bursts make."""
    job = chain_jobs.decoded_record(settings)
    record = records[job]
    search = chain_results.search(job, record)
    longer = chain_jobs.searched_record(settings)
    met = chain_results.direct(record)
    rare = chain_results.split(settings, records)
    quiet = chain_results.combined(met, rare)
    per_burst = chain_results.failures_per_burst(settings, records, quiet)
    bursts = {d: _times(per_burst[d], chain_jobs.PUBLISHED_RATE) for d in chain_jobs.DISTANCES}
    both = {d: _sum(quiet[d], bursts[d]) for d in chain_jobs.DISTANCES}
    fit = suppression_factor(distances=_FITTED, epsilons=[met[d] for d in _FITTED])
    beyond = [d for d in rare if d >= 13]
    far = suppression_factor(distances=beyond, epsilons=[rare[d] for d in beyond])
    largest = max(rare)
    floor = both[29]
    rows = [
        Row(
            quantity="Lambda, d = 5 to 11",
            ours=fit.value,
            published=words("repetition.lambda"),
            kind="calibrated",
            note=f"uniform noise p = {chain_jobs.P} on all operations, chosen for this number",
        ),
        Row(
            quantity=f"Lambda, d = 13 to {largest}, without bursts",
            ours=far.value,
            published="",
            kind="predicted",
            note="by splitting",
        ),
        Row(
            quantity=f"epsilon_{largest} without bursts",
            ours=rare[largest],
            published="",
            kind="predicted",
            note="by splitting" + (", far below the floor" if rare[largest].high < 0.3 * floor.value else ""),
        ),
        Row(
            quantity="bursts per cycle",
            ours=f"{chain_jobs.PUBLISHED_RATE:.1e}",
            published=words("repetition.bursts"),
            kind="input",
        ),
        Row(
            quantity="bursts in this record found by detection events alone",
            ours=search.words(),
            published="",
            kind="predicted",
            note=f"mean {search.mean:.2g} at this rate",
        ),
        Row(
            quantity="floor: epsilon_29 with bursts",
            ours=both[29],
            published=words("repetition.floor"),
            kind="predicted",
            note="depends on the peak and width of bursts, which are our assumption (table of sizes); "
            "interval without the rate's own uncertainty",
        ),
    ]
    return Section(
        summary=_summary(record, fit, both[29], search=search, longer=longer),
        calibrated="the strength of uniform noise, one number, by the published Lambda of d = 5 to 11 (the "
        "superconducting-inspired model SI1000 would need a much lower p for it).",
        predicted="the suppression from d = 13 to 29, the absolute errors per cycle, and, with the published "
        "rate and decay of bursts, the floor.",
        rows=rows,
        tables=[
            _distance_table(record, met, rare, per_burst, both),
            _size_table(settings, records, quiet),
            _time_table(record),
        ],
        pictures=[
            Picture(
                name="repetition",
                caption="Logical error per cycle against distance. Met: failures counted in the record, "
                "outside bursts. Split: short memories, noise lowered step by step. With bursts: plus the "
                "published rate of bursts times the failures that one burst makes.",
                draw=lambda path: _draw(path, met, rare, both),
            )
        ],
        limits=[
            "All distances are the central sub-chain of one chain; decoders know the error model but not the "
            "bursts. One basis.",
            "Splitting takes memories of 2 d cycles: their first and last cycles fail less, below a tenth.",
            "The peak and the width of bursts are not published. The sizes assumed here were chosen with "
            "their floors in view, so the floor shows that bursts of a plausible size suffice for the "
            "published one, no more.",
        ],
        data={
            "met": {str(d): e.value for d, e in met.items()},
            "split": {str(d): e.value for d, e in rare.items()},
            "with_bursts": {str(d): e.value for d, e in both.items()},
        },
    )


def _times(found: Estimate, factor: float) -> Estimate:
    """An estimate of shots of many cycles that fail, per burst, as failures per cycle."""
    return Estimate(factor * found.value, factor * found.low, factor * found.high)


def _sum(a: Estimate, b: Estimate) -> Estimate:
    """Sum of independent estimates: error bars add in squares."""
    middle = a.value + b.value
    down = (a.minus**2 + b.minus**2) ** 0.5
    up = (a.plus**2 + b.plus**2) ** 0.5
    return Estimate(middle, max(0.0, middle - down), middle + up)


def _summary(
    record: Record, fit: SuppressionFit, floor: Estimate, *, search: chain_results.Search, longer: Job
) -> str:
    shots, errors = record["decoded"]["29"]
    special, failed = record["special"]["29"]
    return (
        f"A distance-29 chain for {record['cycles']:.3g} cycles, "
        f"{duration(record['cycles'] * 1.1e-6)} of device time at 1.1 us a cycle, in shots of 1000 cycles: "
        "sampled, and decoded at d = 29 completely, in "
        f"{duration(record['seconds'])}. All smaller odd distances are sub-chains of the same data. Outside "
        f"bursts d = 29 failed in {errors} of {shots} shots; in the {special} shots that a burst touches or "
        f"that look like one, {failed} times. {_burst_words(search, longer)}\n\n"
        f"Lambda = {number(fit.value.value)} [{number(fit.value.low)}, {number(fit.value.high)}] for d = 5 "
        "to 11. Without bursts epsilon goes on falling exponentially, to far below 1e-10; with them it stops "
        f"at {estimate(floor)} (published: {words('repetition.floor')})."
    )


def _burst_words(search: chain_results.Search, longer: Job) -> str:
    """What the record has of bursts, and where one is shown."""
    bursts = len(search.pairs)
    cycles = longer.arguments["blocks"] * longer.arguments["block"] * longer.arguments["rounds"]
    where = f'One is shown under "Bursts of correlated errors", from a record of {cycles:.3g} cycles.'
    if bursts == 0:
        return (
            f"No burst falls into this record, where {search.mean:.2g} are expected (none at all has a "
            f"chance of {100 * math.exp(-search.mean):.0f} %): the floor comes from bursts simulated one by "
            f"one. {where}"
        )
    return (
        f"{bursts} of them fell into this record ({search.mean:.2g} expected); searching it by detection "
        f"events alone finds {search.num_found}, and {search.num_false} that are none. {where}"
    )


def _distance_table(
    record: Record,
    met: dict[int, Estimate],
    rare: dict[int, Estimate],
    per_burst: dict[int, Estimate],
    both: dict[int, Estimate],
) -> Table:
    rows = []
    for d in chain_jobs.DISTANCES:
        shots, errors = record["decoded"][str(d)]
        rows.append(
            (
                str(d),
                f"{shots}",
                f"{errors}",
                estimate(met[d]),
                estimate(rare[d]) if d in rare else "",
                estimate(per_burst[d]),
                estimate(both[d]),
            )
        )
    return Table(
        title="Logical error per cycle [95 %]",
        header=(
            "d",
            "shots decoded",
            "failures",
            "epsilon met, no bursts",
            "epsilon by splitting, no bursts",
            "failing shots per burst",
            "epsilon with bursts",
        ),
        rows=rows,
    )


def _size_table(settings: Settings, records: Records, quiet: dict[int, Estimate]) -> Table:
    rows = []
    distances = chain_jobs.DISTANCES[-9::4]
    for size, (peak, radius) in chain_jobs.SIZES.items():
        found = chain_results.failures_per_burst(settings, records, quiet, size=size)
        rows.append(
            (
                size,
                f"{peak[0]:g} to {peak[1]:g}",
                f"{radius[0]:g} to {radius[1]:g}",
                *(estimate(_times(found[d], chain_jobs.PUBLISHED_RATE)) for d in distances),
            )
        )
    return Table(
        title="Failures per cycle that bursts of other sizes make, at the published rate",
        header=("size", "peak", "radius (data qubits)", *(f"d = {d}" for d in distances)),
        rows=rows,
    )


def _time_table(record: Record) -> Table:
    cycles = record["cycles"]
    ns = record["ns"]
    rows = [
        ("sampling", "1", f"{1e-3 * ns['sample'] / cycles:.3f}"),
        ("counting events for the scan", "1", f"{1e-3 * ns['count'] / cycles:.3f}"),
    ]
    for d in [d for d in (29, 17, 11, 5) if str(d) in record["decoded"]]:
        share = record["decoded"][str(d)][0] * chain_jobs.ROUNDS / cycles
        if share > 0:
            rows.append(
                (
                    f"cutting out and decoding d = {d}",
                    f"{share:.3g}",
                    f"{1e-3 * ns[str(d)] / cycles / share:.3f}",
                )
            )
    total = sum(ns.values())
    rows.append(("all, as decoded here", "", f"{1e-3 * total / cycles:.3f}"))
    rows.append(("clock time of the record", "", f"{1e6 * record['seconds'] / cycles:.3f}"))
    return Table(
        title="Processor time of one thread per cycle",
        header=("work", "part of the cycles", "us a cycle worked on"),
        rows=rows,
    )


def _draw(path: Path, met: dict[int, Estimate], rare: dict[int, Estimate], both: dict[int, Estimate]) -> None:
    from experiments.plotting import figures

    floor = value("repetition.floor").value
    figures.draw_curves(
        path=path,
        panels=[
            CurvePanel(
                title="Repetition codes, uniform noise, sub-chains of d = 29",
                x_label="distance d",
                y_label="logical error per cycle",
                series=[
                    CurveSeries(
                        label="met in the record, no bursts",
                        x=list(met),
                        y=[e if e.value > 0 else Estimate(0.0, 0.0, e.high) for e in met.values()],
                    ),
                    CurveSeries(label="split, no bursts", x=list(rare), y=list(rare.values())),
                    CurveSeries(label="with bursts", x=list(both), y=list(both.values())),
                ],
                log_y=True,
                level=(floor, "published floor, about 1e-10"),
                level_side="left",
            )
        ],
    )
