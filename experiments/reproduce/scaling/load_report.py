"""Rows, tables and figure of the decoding load."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.common.numbers import estimate, number
from experiments.plotting.series import CurvePanel, CurveSeries
from experiments.reproduce.engine.figure import Picture, Records, Row, Settings, Table
from experiments.reproduce.engine.published import value, words
from experiments.reproduce.scaling import load
from experiments.reproduce.scaling.load import Case, Machine, Service
from experiments.reproduce.scaling.part import Part
from experiments.scaling.machine_load import BUSIEST, FRAME_CYCLES, Layout, simulate_load
from qec.statistics import Estimate

# Of the measured times, in results.json; the records have all of them.
_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
# Of a server, in cores of this machine.
_SPEEDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def part(settings: Settings, records: Records) -> Part:
    """Report service times, the machine, and what an accelerator must reach."""
    plan = load.layout()
    found = load.services(settings, records)
    largest = max(case.distance for case in found)
    machines = [
        load.machine(service, plan, seed=settings.seed)
        for case, service in found.items()
        if case.distance == largest and case.noise == load.UNIFORM
    ]
    rows = [row for one in machines for row in _machine_rows(one, settings.watts_per_core, plan)]
    rows += _traffic_rows(plan, machines[0])
    rows += _sustained_rows(found)
    return Part(
        words=(
            f"**Decoding load.** {plan.patches:,} patches of d = {plan.distance} "
            f"({value('factoring.patches').note}), {plan.cycle_us:g} us a cycle, a reaction time of "
            f"{plan.reaction_us:g} us and {plan.cycles:.1e} cycles: the layout of "
            f"{value('factoring.patches').source}. Service times are those of the streaming decoder on one "
            "core of this machine: processor time of single windows, without compilation and waiting. "
            "Windows of "
            + (
                "d = 27"
                if largest == plan.distance
                else f"d = {largest} (quick run: smaller than the layout's)"
            )
            + f" under {load.UNIFORM} noise enter an event simulation: {load.PATCHES_PER_POOL} patches "
            f"share a pool of cores at {100 * BUSIEST:.0f} % utilisation or less; on "
            f"average a patch waits for a decision every {load.DECISION_CYCLES} d cycles, whose window is "
            "served first. " + _verdict(machines, plan)
        ),
        rows=rows,
        tables=[_service_table(found), _machine_table(machines, settings.watts_per_core)],
        pictures=[
            Picture(
                name="scaling_load",
                caption="Mean time of the streaming decoder per cycle on one core, by distance; "
                "simulated reaction time with one server for each patch "
                f"(d = {largest}, {load.UNIFORM}), from the speed on at which it keeps up with the data.",
                draw=lambda path: _draw(path, found, machines, plan),
            )
        ],
        limits=[
            "Service times are drawn independently from those measured. Windows of one patch on several "
            "cores need parallel windows, whose seams cost about an eighth more work, which is left out "
            "here.",
            "Windows are those of quiet memories: lattice surgery, distillation and bursts are not "
            "simulated.",
            f"Power is cores x {settings.watts_per_core:g} W (--watts_per_core), an assumption; memory and "
            "network are not counted.",
            "Other programs used the machine while service times were measured: processor time leaves their "
            "share out, but not what they do to caches, which shows in the tails.",
            "The whole reaction time is given to the decoder; transport and control get none of it.",
            "The shares of patches that share a pool and of windows that a decision follows are assumptions.",
        ],
        data={
            "service_us": {
                f"{c.noise}, {c.decoder}, d={c.distance}, commit={c.commit}d": {
                    "quantiles": list(_QUANTILES),
                    "windows": np.quantile(s.windows, _QUANTILES).round(2).tolist(),
                    "last": np.quantile(s.last, _QUANTILES).round(2).tolist(),
                }
                for c, s in found.items()
            }
        },
    )


def _verdict(machines: Sequence[Machine], plan: Layout) -> str:
    best = min(machines, key=lambda one: one.speed_up.value)
    case = best.service.case
    return (
        f"Best is {_title(case)}: {best.cores.value:,.0f} cores, and 99 % of the reactions within "
        f"{number(best.load.p99_us.value)} us. For {plan.reaction_us:g} us a server for each patch must be "
        f"{number(best.speed_up.value)} times as fast as a core here: {number(best.fast_window_us)} us for a "
        f"window of {best.service.cycles} cycles, {number(best.fast_last_us)} us for the last one, on "
        "average."
    )


def _title(case: Case) -> str:
    return f"{case.decoder}, windows of {case.commit} d"


def _machine_rows(one: Machine, watts: float, plan: Layout) -> list[Row]:
    title = _title(one.service.case)
    hours = plan.cycles * plan.cycle_us / 3.6e9
    energy = 1e-6 * watts * one.cores.value * hours
    return [
        Row(
            quantity=f"cores, {title}",
            ours=one.cores,
            published="",
            kind="measured",
            scale=1e-3,
            unit="thousand",
            note=f"{one.load.cores_per_patch:.1f} for a patch, utilisation {one.load.queue.utilisation:.2f}",
        ),
        Row(
            quantity=f"reaction time, 99 % are faster, {title}",
            ours=one.load.p99_us,
            published=words("factoring.reaction_us", note=False),
            kind="measured",
            unit="us",
            note="published: assumed by the layout; waiting and service, without transport",
        ),
        Row(
            quantity=f"speed-up for {plan.reaction_us:g} us, {title}",
            ours=one.speed_up,
            published="",
            kind="measured",
            unit="x",
            note=f"{number(one.fast_window_us)} us a window, {number(one.fast_last_us)} us a last window",
        ),
        Row(
            quantity=f"power, {title}",
            ours=one.cores,
            published="",
            kind="measured",
            scale=1e-6 * watts,
            unit="MW",
            note=f"assumed: {watts:g} W for each core; {number(energy)} MWh in {hours:.1f} h",
        ),
    ]


def _traffic_rows(plan: Layout, one: Machine) -> list[Row]:
    commit = one.service.case.commit * plan.distance
    inward, outward = plan.data_bytes_per_us, plan.result_bytes_per_us(commit)
    return [
        Row(
            quantity="network, detection events to the decoders",
            ours=f"{1e-6 * inward * plan.patches:.2f} TB/s",
            published="",
            kind="predicted",
            note=f"{inward:.1f} MB/s a patch: frames of {FRAME_CYCLES} cycles with headers; exact",
        ),
        Row(
            quantity="network, corrections from the decoders",
            ours=f"{1e-3 * outward * plan.patches:.1f} GB/s",
            published="",
            kind="predicted",
            note=f"a commit frame for every {commit} cycles of a patch; exact",
        ),
    ]


def _sustained_rows(found: dict[Case, Service]) -> list[Row]:
    rows = []
    for kind in dict.fromkeys(case.noise for case in found):
        for decoder in load.DECODERS:
            series = _series(found, kind, decoder)
            reached = load.sustained_distance(series, cycle_us=load.CYCLE_US)
            rows.append(
                Row(
                    quantity=f"distance that a core sustains at {load.CYCLE_US} us, {decoder}, {kind}",
                    ours=_reach(reached, series),
                    published="",
                    kind="measured",
                    note="mean service time equal to the cycle time, between measured distances",
                )
            )
    return rows


def _reach(reached: Estimate | None, series: Sequence[Service]) -> Estimate | str:
    """Describe a distance that may lie outside the measured ones."""
    if reached is None:
        return f"below {series[0].case.distance}"
    if math.isinf(reached.high):
        return f"above {series[-1].case.distance}"
    return reached


def _series(found: dict[Case, Service], kind: str, decoder: str) -> list[Service]:
    return [
        service
        for case, service in found.items()
        if (case.noise, case.decoder, case.commit) == (kind, decoder, load.LONG)
    ]


def _service_table(found: dict[Case, Service]) -> Table:
    rows = []
    for case, service in found.items():
        windows, last = np.asarray(service.windows), np.asarray(service.last)
        rows.append(
            [
                case.noise,
                case.decoder,
                str(case.distance),
                str(service.cycles),
                estimate(service.per_cycle_us),
                number(float(np.median(windows))),
                number(float(np.quantile(windows, 0.99))),
                number(float(windows.max())),
                number(float(last.mean())),
                number(float(np.quantile(last, 0.99))),
                str(windows.size),
            ]
        )
    return Table(
        title="Service times on one core of this machine, us; last: the last window before a decision",
        header=(
            *("noise", "decoder", "d", "cycles", "mean per cycle [95 %]", "median", "99 %", "longest"),
            *("last, mean", "last, 99 %", "windows"),
        ),
        rows=rows,
    )


def _machine_table(machines: Sequence[Machine], watts: float) -> Table:
    rows = []
    for one in machines:
        rows.append(
            [
                _title(one.service.case),
                f"{one.one_core:.2f}",
                f"{one.growth:.3f}" if one.growth else "stable",
                f"{one.load.cores_per_patch:.1f}",
                estimate(one.load.mean_us),
                estimate(one.load.p99_us),
                number(one.load.backlog_cycles),
                f"{number(1e-6 * watts * one.cores.value)} MW",
            ]
        )
    return Table(
        title="The layout, simulated: one core for each patch, then pools with as many as they need",
        header=(
            *("decoder", "one core: utilisation", "growth of the wait, us per us", "cores per patch"),
            *("reaction, mean, us", "reaction, 99 %, us", "backlog, cycles, 99 %", "power"),
        ),
        rows=rows,
    )


def _draw(path: Path, found: dict[Case, Service], machines: Sequence[Machine], plan: Layout) -> None:
    from experiments.plotting import figures

    panels = []
    for kind in dict.fromkeys(case.noise for case in found):
        series = []
        for decoder in load.DECODERS:
            mine = _series(found, kind, decoder)
            distances = [service.case.distance for service in mine]
            series.append(CurveSeries(decoder, distances, [service.per_cycle_us for service in mine]))
        panels.append(
            CurvePanel(
                title=f"Service time, {kind}",
                x_label="distance d",
                y_label="time per cycle on one core (us)",
                series=series,
                log_y=True,
                level=(load.CYCLE_US, f"{load.CYCLE_US} us: a cycle"),
            )
        )
    reactions = [curve for one in machines if (curve := _reactions(one.service, plan)).x]
    panels.append(
        CurvePanel(
            title="Reaction with a faster server",
            x_label="speed, cores of this machine",
            y_label="reaction time, 99 % are faster (us)",
            series=reactions,
            log_x=True,
            log_y=True,
            level=(plan.reaction_us, f"{plan.reaction_us:g} us: the layout"),
            level_side="left",
        )
    )
    figures.draw_curves(path=path, panels=panels)


def _reactions(service: Service, plan: Layout) -> CurveSeries:
    """Reaction time with one server for each patch against its speed, where it keeps up with the data."""
    queue = service.queue(cycle_us=plan.cycle_us, streams=1, cores=1)
    speeds = [speed for speed in _SPEEDS if queue.utilisation / speed < BUSIEST]
    values: list[Estimate | float] = [
        simulate_load(
            queue.scaled(1 / speed), cycle_us=plan.cycle_us, windows=round(400 * queue.last_every), seed=1
        ).p99_us
        for speed in speeds
    ]
    return CurveSeries(_title(service.case), speeds, values)
