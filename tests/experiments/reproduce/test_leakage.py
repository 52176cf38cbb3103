"""The section on leakage, in miniature."""

from pathlib import Path

import pytest

from experiments.reproduce.engine.figure import Job, Record, Settings
from experiments.reproduce.figures import leakage
from qec.statistics import Estimate

SETTINGS = Settings(quick=True, seed=1, workers=1, decoders=("mwpm",))


class _Records(dict[str, Record]):
    def __getitem__(self, job: Job | str) -> Record:
        return super().__getitem__(job.key if isinstance(job, Job) else job)


def test_the_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "_QUICK_SHOTS", {3: 80, 5: 800})
    monkeypatch.setattr(leakage, "_PORTION", {3: 80, 5: 400})
    monkeypatch.setattr(leakage, "_CYCLES", (6, 20))
    monkeypatch.setattr(leakage, "_BASES", ("z",))
    jobs = leakage.jobs(SETTINGS)
    assert len({job.key for job in jobs}) == len(jobs) == 3 * 2 * (5 + 2)
    records = _Records({job.key: job.work(**job.arguments) for job in jobs})
    portions = [job for job in jobs if job.arguments["distance"] == 5][:2]
    assert records[portions[0]] != records[portions[1]]
    section = leakage.section(SETTINGS, records)
    rows = {row.quantity: row.ours for row in section.rows}
    change = rows["detection fraction, without over with removal"]
    assert isinstance(change, Estimate)
    assert change.low > 1.0
    kept = float(str(rows["leaked data qubits, without removal (1e-3)"]))
    removed = float(str(rows["leaked data qubits, with removal (1e-3)"]))
    assert 0.3 < removed < 1.0 < 3.0 < kept < 7.0
    assert not any(section.data["population"]["no leakage"])
    assert all(len(row) == len(table.header) for table in section.tables for row in table.rows)
    section.pictures[0].draw(tmp_path / "leakage.png")
    assert (tmp_path / "leakage.png").stat().st_size > 10_000
