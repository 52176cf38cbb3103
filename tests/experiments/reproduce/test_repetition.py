"""Long records of chains, the scan for bursts, and the sections made of them, all in miniature."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.reproduce.engine.figure import Job, Place, Record, Settings
from experiments.reproduce.figures import bursts, repetition
from experiments.reproduce.work import chain_jobs, chain_record, chain_results, chain_scan
from experiments.reproduce.work.chain_record import ChainRecord
from experiments.reproduce.work.chain_scan import FoundBurst
from qec.sampling import Burst, DetectorSampler
from qec.statistics import Estimate
from tests.support.chance import sigmas

SETTINGS = Settings(quick=True, seed=1, workers=2, decoders=("mwpm",))


def small(**changes: Any) -> ChainRecord:
    options: dict[str, Any] = {
        "distance": 7,
        "rounds": 60,
        "p": 0.01,
        "seed": 1,
        "rate": 1e-4,
        "decoder": "mwpm",
        "block": 100,
        "shares": {3: 1.0, 5: 0.5, 7: 1.0},
        "window": (20, 3),
        "threshold": 22,
    }
    return ChainRecord(**(options | changes))


def place(folder: Path, workers: int = 1) -> Place:
    return Place(workers=workers, folder=folder, say=lambda words: None)


def counts_of(record: Record) -> Record:
    return {key: value for key, value in record.items() if key not in ("ns", "seconds")}


def test_the_record_does_not_depend_on_threads_or_interruptions(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "three", "broken")]
    for folder in folders:
        folder.mkdir()
    one = chain_record.run(small(), blocks=6, place=place(folders[0]))
    three = chain_record.run(small(), blocks=6, place=place(folders[1], workers=3))
    assert counts_of(one) == counts_of(three)

    class StopError(Exception):
        pass

    said = 0

    def stop(words: str) -> None:
        nonlocal said
        said += 1
        if said == 4:
            raise StopError

    with pytest.raises(StopError):
        chain_record.run(small(), blocks=6, place=Place(workers=2, folder=folders[2], say=stop))
    lines = (folders[2] / "blocks.jsonl").read_bytes()
    assert 0 < lines.count(b"\n") < 6
    (folders[2] / "blocks.jsonl").write_bytes(lines + b'{"block": 5, "sho')
    assert counts_of(chain_record.run(small(), blocks=6, place=place(folders[2], workers=2))) == counts_of(
        one
    )
    assert len((folders[2] / "blocks.jsonl").read_text().splitlines()) == 6
    assert one["shots"] == 600
    assert one["decoded"]["5"][0] + one["special"]["5"][0] < 600
    assert one["decoded"]["7"][0] + one["special"]["7"][0] == 600
    assert one["special"]["7"][0] > 0
    assert sum(map(len, one["failed"].values())) == sum(failed for _, failed in one["special"].values())


def test_failures_are_those_of_the_central_sub_chain() -> None:
    """The same shots by hand: cut, decoded, compared."""
    record = small(rate=0.0)
    block = record.run_block(2, [])
    events, flips = record.sample(200, 100, [])
    failed = record.failures(events, flips, 5)
    assert block["decoded"]["5"] == [50, int(failed[:50].sum())] or block["special"]["5"][0] > 0
    counts = record.shots.count(events, cycles=20, checks=3)
    assert block["events"] == counts.totals.sum()
    assert len(block["flagged"]) == (counts.most >= 22).sum()


def test_the_threshold_bounds_false_alarms() -> None:
    """The exact tail of the bound against windows counted: never below them, and not far above."""
    record = small(distance=9, rounds=200)
    errors = record.sampler.errors
    chances = chain_scan.window_distribution(errors, num_checks=8, cycles=20, checks=4)
    assert chances.sum() == pytest.approx(1)
    events, _ = DetectorSampler(errors=errors).sample(shots=4000, seed=1)
    layers = np.unpackbits(events, axis=1, count=8 * 201, bitorder="little").reshape(4000, 201, 8)
    seen = layers[:, 40:60, 2:6].sum(axis=(1, 2))
    assert seen.mean() <= (chances * np.arange(chances.size)).sum() < 1.15 * seen.mean()
    for count in (5, 10, 15, 20):
        met = (seen >= count).mean()
        bound = chances[count:].sum()
        assert met - sigmas(4) * np.sqrt(met / 4000) <= bound
    least, expected = chain_scan.threshold(
        errors, num_checks=8, cycles=20, checks=4, windows=1e6, false_alarms=0.01
    )
    assert 1e6 * chances[least:].sum() == pytest.approx(expected)
    assert expected <= 0.01 < 1e6 * chances[least - 1 :].sum()


def test_flagged_windows_become_bursts() -> None:
    flagged = [[7, 3, 4, 40], [7, 2, 5, 60], [8, 0, 5, 30], [90, 1, 0, 35]]
    found = chain_scan.find(flagged, rounds=1000, cycles=100)
    assert found == [
        FoundBurst(first_cycle=7200, last_cycle=8100, check=5, events=60),
        FoundBurst(first_cycle=90100, last_cycle=90200, check=0, events=35),
    ]
    hit = Burst(onset=7230.0, decay=400.0, peak=0.2, centre=6.0, radius=4.0)
    missed = Burst(onset=50_000.0, decay=400.0, peak=0.05, centre=6.0, radius=4.0)
    pairs, false = chain_scan.match(found, [hit, missed], longest=12.0)
    assert pairs == [(hit, found[0]), (missed, None)]
    assert false == [found[1]]


def test_what_was_met_goes_before_what_was_split() -> None:
    sharp, wide = Estimate(1e-3, 0.9e-3, 1.1e-3), Estimate(1e-5, 0.1e-5, 9e-5)
    exact = {3: sharp, 5: Estimate(1e-4, 0.9e-4, 1.1e-4), 7: wide}
    rare = {7: Estimate(1.1e-5, 1e-5, 1.2e-5), 11: Estimate(1.1e-7, 1e-7, 1.2e-7)}
    found = chain_results.combined(exact, rare)
    assert found[3].value == pytest.approx(1e-3)
    assert found[7].value == pytest.approx(1.1e-5)
    assert found[9].value == pytest.approx(1.1e-6)
    assert found[13].value == pytest.approx(1.1e-8)
    assert found[29].value == pytest.approx(1.1e-16)
    assert chain_results.combined({5: exact[5]}, rare)[3].value == pytest.approx(1e-4 / 0.11)


@pytest.fixture
def miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures' own jobs, with everything short."""
    monkeypatch.setattr(chain_jobs, "DISTANCES", (3, 5, 7, 9, 11, 29))
    monkeypatch.setattr(chain_jobs, "ROUNDS", 200)
    monkeypatch.setattr(chain_jobs, "_BLOCK", 100)
    few = {5: (16, 2.0, 2), 13: (16, 2.0, 2), 17: (16, 1.0, 2)}
    monkeypatch.setattr(chain_jobs, "_QUICK_SPLITTING", few)
    real = chain_jobs._record_job

    def shorter(
        settings: Settings, *, cycles: int, shares: dict[int, float], rate: float, cost: float
    ) -> Job:
        many = 100_000 if any(shares.values()) else 400_000
        full = {distance: 1.0 if share else 0.0 for distance, share in shares.items()}
        return real(
            settings, cycles=many, shares=full, rate=rate if any(shares.values()) else 1e-5, cost=cost
        )

    monkeypatch.setattr(chain_jobs, "_record_job", shorter)
    monkeypatch.setattr(chain_jobs, "_NUMBERS_OF_BURSTS", {True: (2, 3), False: (2, 3)})


class _Records(dict[str, Record]):
    def __getitem__(self, job: Job | str) -> Record:
        return super().__getitem__(job.key if isinstance(job, Job) else job)


def work_through(jobs: list[Job], folder: Path) -> _Records:
    records = _Records()
    for number, job in enumerate(jobs):
        state = folder / str(number)
        state.mkdir()
        extra = {"place": place(state, workers=2)} if job.alone else {}
        records[job.key] = job.work(**job.arguments, **extra)
    return records


@pytest.mark.usefixtures("miniature")
def test_the_section_of_repetition_codes(tmp_path: Path) -> None:
    jobs = repetition.jobs(SETTINGS)
    assert len({job.key for job in jobs}) == len(jobs)
    section = repetition.section(SETTINGS, work_through(jobs, tmp_path))
    rows = {row.quantity: row for row in section.rows}
    assert rows["Lambda, d = 5 to 11"].kind == "calibrated"
    floor = rows["floor: epsilon_29 with bursts"].ours
    assert isinstance(floor, Estimate)
    assert floor.high < 1e-8
    assert section.data["met"]["3"] > section.data["met"]["5"] > section.data["split"]["13"] > 0
    assert all(len(row) == len(table.header) for table in section.tables for row in table.rows)
    for picture in section.pictures:
        picture.draw(tmp_path / f"{picture.name}.png")
        assert (tmp_path / f"{picture.name}.png").stat().st_size > 10_000


@pytest.mark.usefixtures("miniature")
def test_the_section_of_bursts(tmp_path: Path) -> None:
    section = bursts.section(SETTINGS, work_through(bursts.jobs(SETTINGS), tmp_path))
    rows = {row.quantity: row for row in section.rows}
    number, _, rest = str(rows["bursts found"].ours).partition(" of ")
    assert int(rest.split(",")[0]) >= int(number) > 0
    assert rest.endswith("0 false")
    decay = rows["decay of a burst, from its detection events (us)"].ours
    assert isinstance(decay, Estimate)
    assert 200 < decay.value < 1100
    for picture in section.pictures:
        picture.draw(tmp_path / f"{picture.name}.png")
        assert (tmp_path / f"{picture.name}.png").stat().st_size > 10_000


def layers_of_quiet(record: ChainRecord) -> NDArray[np.uint8]:
    events, _ = record.sample(0, 100, [])
    return np.unpackbits(events, axis=1, count=record.shots.num_checks * record.shots.num_layers)


def test_the_decay_of_bursts_is_found_again() -> None:
    record = small(distance=29, rounds=1000, p=chain_jobs.P, shares={})
    quiet = float(layers_of_quiet(record).mean())
    covered = 0
    for number in range(12):
        generator = np.random.default_rng(number)
        onset = (100 + 10 * number) * 1000 + float(generator.uniform(0, 1000))
        burst = record.bursts.draw(generator, onset=onset, num_data=29)
        events = bursts._around(record, burst, [burst])
        found = bursts._fit(record, burst, events, quiet=quiet).decay_us
        covered += found.low <= 1.1 * burst.decay <= found.high
    assert covered >= 9
