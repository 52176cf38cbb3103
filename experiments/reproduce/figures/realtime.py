"""Decoding in real time on the 72-qubit chip: latency against cycles, logical error live and offline."""

import argparse
import contextlib
import io
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from experiments.common.fits import Count, Fits, fit
from experiments.loop import realtime
from experiments.plotting.series import CurvePanel, CurveSeries
from experiments.reproduce.engine import published
from experiments.reproduce.engine.figure import Job, Picture, Place, Record, Records, Row, Section, Settings
from experiments.reproduce.engine.published import words
from experiments.reproduce.work import chips, counting
from qec.statistics import Estimate

TITLE = "Decoding in real time"
CHIP = chips.CHIP_72
_DISTANCES = (3, 5)
_BASES = ("x", "z")
_COUNTED = (10, 30, 50)  # what `qec realtime` counts errors after
_SHOTS = 20_000
_QUICK_SHOTS = 300
_OFFLINE_SHOTS = 100_000
_QUICK_OFFLINE_SHOTS = 5_000


def jobs(settings: Settings) -> list[Job]:
    """The loop itself, which needs the machine alone, and the same memories decoded offline."""
    return [_loop_job(settings), *(job for _, job in _offline_jobs(settings))]


def _loop_job(settings: Settings) -> Job:
    return Job(
        work=run_loop,
        arguments={
            "noise": f"device:{CHIP}",
            "model": chips.fingerprint(CHIP),
            "distances": list(_DISTANCES),
            "cycles": 10_000 if settings.quick else 1_000_000,
            "shots": 10,
            "error_shots": _QUICK_SHOTS if settings.quick else _SHOTS,
            "seed": settings.seed,
        },
        # Its time does not depend on the number of workers.
        cost=(30.0 if settings.quick else 600.0) * settings.workers,
        alone=True,
    )


def _offline_jobs(settings: Settings) -> Iterator[tuple[tuple[str, int, str, int], Job]]:
    shots = _QUICK_OFFLINE_SHOTS if settings.quick else _OFFLINE_SHOTS
    for decoder, distance, basis, cycles in product(_decoders(settings), _DISTANCES, _BASES, _COUNTED):
        job = counting.job(
            chip=CHIP,
            distance=distance,
            patch=0,
            basis=basis,
            cycles=cycles,
            shots=shots,
            decoder=decoder,
            seed=settings.seed,
        )
        yield (decoder, distance, basis, cycles), job


def _decoders(settings: Settings) -> list[str]:
    """Those that decode a whole memory in reasonable time."""
    return [name for name in settings.decoders if counting.is_fast(name)] or list(settings.decoders[:1])


def run_loop(
    *,
    noise: str,
    model: str,
    distances: list[int],
    cycles: int,
    shots: int,
    error_shots: int,
    seed: int,
    place: Place,
) -> Record:
    """`qec realtime`, by its own options and its own JSON.

    Returns:
        shots; decoder; offline_decoder_us, distance -> time of the decoder alone for a cycle; timed, runs
        for latencies; counted, runs for logical errors; text, what the command printed.
    """
    assert noise.endswith(CHIP)
    assert model == chips.fingerprint(CHIP)
    parser = argparse.ArgumentParser()
    realtime.add_arguments(parser)
    result = place.folder / "loop.json"
    arguments = ["--noise", noise, "--distance", *map(str, distances), "--bases", *_BASES]
    arguments += ["--cycles", str(cycles), "--shots", str(shots), "--error_shots", str(error_shots)]
    arguments += ["--seed", str(seed), "--json", str(result), "--out", str(place.folder / "loop.png")]
    place.say("the loop is measured, nothing else should run")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        realtime.run(parser.parse_args(arguments))
    data = json.loads(result.read_text())
    runs = [_run(run, entry["distance"]) for entry in data["distances"] for run in entry["runs"]]
    return {
        "shots": sum(run["shots"] for run in runs),
        "decoder": data["setting"]["decoder"],
        "transport": data["setting"]["transport"],
        "offline_decoder_us": {
            str(entry["distance"]): entry["decoder_us_per_cycle"] for entry in data["distances"]
        },
        "timed": [run for run in runs if run["cycles"] not in _COUNTED],
        "counted": [run for run in runs if run["cycles"] in _COUNTED],
        # The files in the folder are gone when the record is read.
        "text": printed.getvalue().replace(f"{place.folder}/", ""),
    }


def _run(run: dict[str, Any], distance: int) -> dict[str, Any]:
    number = run["shots"] if isinstance(run["shots"], int) else len(run["shots"])
    return {
        "distance": distance,
        "cycles": run["cycles"],
        "basis": run["basis"],
        "shots": number,
        "answered": number - run["decision"]["missing"],
        "errors": run["logical_errors"],
        "decision": run["decision"],
        "loop": run["loop"],
    }


def section(settings: Settings, records: Records) -> Section:
    """Latency, and logical errors beside those of offline decoders."""
    found = records[_loop_job(settings)]
    live = fit(_counts(found))
    offline = {
        decoder: fit(
            Count(
                distance=distance,
                basis=basis,
                cycles=cycles,
                shots=records[job]["shots"],
                errors=records[job]["errors"],
            )
            for (name, distance, basis, cycles), job in _offline_jobs(settings)
            if name == decoder
        )
        for decoder in _decoders(settings)
    }
    best = min(offline, key=lambda name: offline[name].distances[-1].epsilon.high)
    longest = max(run["cycles"] for run in found["timed"])
    rows = [
        *_latency_rows(found, longest),
        _epsilon(live, "epsilon_5 in real time (1e-3)", words("realtime.epsilon_5", scale=1e3, unit="")),
        _suppression(live, "Lambda in real time", words("realtime.lambda", note=False)),
    ]
    for decoder, fits in offline.items():
        neural = words("realtime.epsilon_5_offline", scale=1e3, unit="") if decoder == best else ""
        rows += [
            _epsilon(fits, f"epsilon_5 offline, {decoder} (1e-3)", neural),
            _suppression(
                fits,
                f"Lambda offline, {decoder}",
                words("memory.lambda_network_72q") if decoder == best else "",
            ),
        ]
    speeds = ", ".join(f"{us:.2f} us at d = {d}" for d, us in found["offline_decoder_us"].items())
    return Section(
        summary=(
            "Shots of the 72-qubit chip's model, played at 1.1 us a cycle to the streaming decoder "
            f"(`qec realtime`, decoder {found['decoder']}, transport {found['transport']}), and the same "
            f"memories decoded offline with whole shots at hand. The decoder alone takes {speeds} a cycle. "
            "Latency is that of the decision: last data received to correction ready. It depends on the "
            "machine that ran this report, the logical errors do not."
        ),
        calibrated="nothing.",
        predicted="logical errors; latencies are measured on this machine, not simulated.",
        rows=rows,
        pictures=[
            Picture(
                name="realtime",
                caption=f"Decision latency against the length of a shot, up to {longest:,} cycles.",
                draw=lambda path: _draw(path, found),
            )
        ],
        limits=[
            "The source is a program on the same machine: no classification of measurements, no network.",
            "d = 3 is one patch here (the published Lambda averages five).",
            "Leakage and drift are not in the model.",
        ],
        data={"loop": found},
    )


def _counts(found: Record) -> list[Count]:
    return [
        Count(
            distance=run["distance"],
            basis=run["basis"],
            cycles=run["cycles"],
            shots=run["answered"],
            errors=run["errors"],
        )
        for run in found["counted"]
        if run["answered"]
    ]


def _latency_rows(found: Record, longest: int) -> list[Row]:
    rows = []
    for run in found["timed"]:
        if run["cycles"] != longest:
            continue
        latency = run["decision"]
        missing = f", {latency['missing']} of {latency['n']} without an answer" if latency["missing"] else ""
        rows.append(
            Row(
                quantity=f"decision latency, d = {run['distance']}, {longest:,} cycles, mean",
                ours=_mean(latency),
                published=words("realtime.latency", note=False) if run["distance"] == 5 else "",
                kind="measured",
                unit="us",
                note=f"median {latency['p50']:.1f} us, longest {latency['max']:.0f} us{missing}",
            )
        )
    return rows


def _mean(latency: dict[str, Any]) -> Estimate | str:
    interval = latency.get("mean_interval")
    if interval is None or None in interval:
        return f"{latency['mean']:.1f} us"
    return Estimate(*interval)


def _epsilon(fits: Fits, quantity: str, published_words: str) -> Row:
    return Row(
        quantity=quantity,
        ours=fits.distances[-1].epsilon,
        published=published_words,
        kind="predicted",
        scale=1e3,
    )


def _suppression(fits: Fits, quantity: str, published_words: str) -> Row:
    assert fits.suppression is not None
    return Row(quantity=quantity, ours=fits.suppression.value, published=published_words, kind="predicted")


def _draw(path: Path, found: Record) -> None:
    from experiments.plotting import figures

    series = []
    for distance, kind in product(_DISTANCES, ("mean", "p99")):
        runs = sorted(
            (r for r in found["timed"] if r["distance"] == distance), key=lambda r: int(r["cycles"])
        )
        runs = [run for run in runs if run["decision"][kind] is not None]
        values: list[Estimate | float] = []
        for run in runs:
            value = _mean(run["decision"]) if kind == "mean" else run["decision"][kind]
            values.append(run["decision"]["mean"] if isinstance(value, str) else value)
        name = "mean" if kind == "mean" else "99 % are faster"
        if runs:
            series.append(
                CurveSeries(label=f"d = {distance}, {name}", x=[run["cycles"] for run in runs], y=values)
            )
    latency = published.value("realtime.latency").value
    panel = CurvePanel(
        title="Latency of the decision",
        x_label="cycles in a shot",
        y_label="latency (us)",
        series=series,
        log_x=True,
        log_y=True,
        level=(latency, f"{latency:g} us: published, d = 5"),
    )
    figures.draw_curves(path=path, panels=[panel])
