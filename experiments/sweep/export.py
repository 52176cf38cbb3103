"""Fits of `qec plot` as CSV and JSON."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.common.json_file import write_json
from experiments.sweep.studies import Study
from experiments.sweep.thresholds import Scan
from qec.files import write_file
from qec.statistics import Estimate


def write_fits_csv(path: str | Path, found: Sequence[Study]) -> None:
    """Write one row for each study and distance: its key, counts, epsilon_d, and Lambda of the study."""
    names = list(dict.fromkeys(name for study in found for name, _ in study.key))
    numbers = ["epsilon", "epsilon_low", "epsilon_high", "lambda", "lambda_low", "lambda_high"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*names, "d", "cycles", "shots", "errors", *numbers])
    for study in found:
        key = dict(study.key)
        suppression = None if study.fits.suppression is None else study.fits.suppression.value
        for row in _distances(study):
            writer.writerow(
                [
                    *(key.get(name, "") for name in names),
                    row["d"],
                    " ".join(map(str, row["cycles"])),
                    row["shots"],
                    row["errors"],
                    *_estimate(row["epsilon"]).values(),
                    *([""] * 3 if suppression is None else _estimate(suppression).values()),
                ]
            )
    write_file(path, stream.getvalue())


def write_fits_json(path: str | Path, found: Sequence[Study], scanned: Sequence[Scan]) -> None:
    """Write the studies with epsilon_d and Lambda, and the crossings of neighbouring distances over p."""
    document = {
        "studies": [
            {
                "key": dict(study.key),
                "distances": [{**row, "epsilon": _estimate(row["epsilon"])} for row in _distances(study)],
                "lambda": None if study.fits.suppression is None else _estimate(study.fits.suppression.value),
                "discards": study.discards,
            }
            for study in found
        ],
        "crossings": [
            {
                "key": dict(scan.key),
                "distances": [one.smaller, one.larger],
                "p": None if one.strength is None else _estimate(one.strength),
            }
            for scan in scanned
            for one in scan.crossings
        ],
        "confidence": 0.95,
    }
    write_json(path, document)


def _distances(study: Study) -> list[dict[str, Any]]:
    rows = []
    for fitted in study.fits.distances:
        mine = [count for count in study.counts if count.distance == fitted.distance]
        rows.append(
            {
                "d": fitted.distance,
                "cycles": sorted({count.cycles for count in mine}),
                "bases": sorted({count.basis for count in mine}),
                "shots": sum(count.shots for count in mine),
                "errors": sum(count.errors for count in mine),
                "epsilon": fitted.epsilon,
            }
        )
    return rows


def _estimate(found: Estimate) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}
