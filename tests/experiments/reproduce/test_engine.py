"""The frame of `qec reproduce`: records that survive, jobs done once, a report that says what it is."""

import json
import os
import re
import signal
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest

from experiments import cli
from experiments.common.terminal import Progress
from experiments.plotting import figures
from experiments.plotting.series import CurvePanel, CurveSeries
from experiments.reproduce import command, publish, registry
from experiments.reproduce.engine import published, report, runner
from experiments.reproduce.engine.figure import (
    Job,
    Picture,
    Place,
    Record,
    Records,
    Row,
    Section,
    Settings,
    Table,
)
from experiments.reproduce.engine.records import RecordsFile
from experiments.reproduce.engine.runner import Runner
from experiments.reproduce.work import counting
from qec.resources import data_path
from qec.statistics import Estimate
from tests.support.inline_pool import inline_pool

PNG = bytes.fromhex("89504e470d0a1a0a") + b"not a real picture"
calls: list[int] = []


def square(*, number: int) -> Record:
    calls.append(number)
    return {"square": number * number, "shots": number}


def stop(*, number: int) -> Record:
    raise KeyboardInterrupt


def worker_number(*, number: int) -> Record:
    return {"process": os.getpid(), "number": number}


def step(*, steps: int, place: Place) -> Record:
    """Goes on from its folder; is stopped after two steps of its first call."""
    state = place.folder / "state"
    done = int(state.read_text()) if state.exists() else 0
    for number in range(done, steps):
        place.say(f"step {number}")
        state.write_text(str(number + 1))
        if number == 1 and done == 0:
            raise KeyboardInterrupt
    return {"began": done, "workers": place.workers}


def job(number: int, work: Any = square) -> Job:
    return Job(work=work, arguments={"number": number}, cost=1.0)


def test_names_of_records_outlive_the_packages_between() -> None:
    """A folder that an older release has filled is continued, although modules have moved."""
    assert Job(work=counting.count, arguments={"seed": 1}, cost=1.0).key == "5491184386755f53b709d842"


def run_jobs(folder: Path, jobs: list[Job], *, workers: int = 1) -> list[Record]:
    with RecordsFile(folder) as records, Progress(period=0.0) as progress:
        runner = Runner(records=records, workers=workers, decoders=["pymatching"], progress=progress)
        runner.expect(jobs)
        runner.run("toy", jobs)
        return [records[one] for one in jobs]


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


def test_jobs_are_done_once(tmp_path: Path) -> None:
    assert [r["square"] for r in run_jobs(tmp_path, [job(2), job(3), job(2)])] == [4, 9, 4]
    assert sorted(calls) == [2, 3]
    assert [r["square"] for r in run_jobs(tmp_path, [job(3), job(5)])] == [9, 25]
    assert sorted(calls) == [2, 3, 5]
    assert job(2).key == Job(work=square, arguments={"number": 2}, cost=9.0).key
    assert len({job(2).key, job(3).key, job(2, stop).key}) == 3


def test_jobs_on_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "connect", inline_pool)
    with RecordsFile(tmp_path) as records, Progress(period=0.0) as progress:
        one = Runner(records=records, workers=2, decoders=["pymatching"], progress=progress, cluster="x")
        one.expect([job(2), job(3)])
        one.run("toy", [job(2), job(3)])
    assert [r["square"] for r in run_jobs(tmp_path, [job(2), job(3)])] == [4, 9]
    assert sorted(calls) == [2, 3]


def test_a_stop_keeps_what_is_done(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_jobs(tmp_path, [job(2), job(3, stop)])
    assert [r["square"] for r in run_jobs(tmp_path, [job(2)])] == [4]
    assert calls == [2]


def test_a_job_alone_goes_on_from_its_folder(tmp_path: Path) -> None:
    alone = Job(work=step, arguments={"steps": 5}, cost=1.0, alone=True)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(tmp_path, [alone])
    assert (tmp_path / "state" / alone.key / "state").read_text() == "2"
    assert run_jobs(tmp_path, [alone], workers=3) == [{"began": 2, "workers": 3}]
    assert not (tmp_path / "state" / alone.key).exists()


def test_records_survive_a_cut_line(tmp_path: Path) -> None:
    run_jobs(tmp_path, [job(2), job(3)])
    path = tmp_path / "records.jsonl"
    text = path.read_text()
    path.write_text(text[:-10])
    with RecordsFile(tmp_path) as records:
        assert records.notes == [f"{path}: cut off a half-written last line, its job will be done again"]
        assert job(2) in records
        assert job(3) not in records
    assert path.read_text() == text.split("\n")[0] + "\n"
    path.write_text("{}\n" + text)
    with (
        pytest.raises(ValueError, match=r"records.jsonl, line 1: not a record; delete the line"),
        RecordsFile(tmp_path),
    ):
        pass


def test_a_record_without_a_field_is_named(tmp_path: Path) -> None:
    run_jobs(tmp_path, [job(2)])
    path = tmp_path / "records.jsonl"
    entry = json.loads(path.read_text())
    path.write_text(json.dumps({**entry, "record": {}}) + "\n")
    with (
        pytest.raises(
            ValueError, match=r"records\.jsonl: the record of the key .* has no field 'square': delete"
        ),
        RecordsFile(tmp_path) as records,
    ):
        records[job(2)]["square"]
    path.write_text(json.dumps({**entry, "seconds": -1}) + "\n")
    with pytest.raises(ValueError, match="line 1: not a record"), RecordsFile(tmp_path):
        pass


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        RecordsFile(tmp_path),
        pytest.raises(ValueError, match="another run is writing to it; give another --out"),
        RecordsFile(tmp_path),
    ):
        pass


def test_a_record_must_be_plain(tmp_path: Path) -> None:
    with RecordsFile(tmp_path) as records, pytest.raises(ValueError, match="is not plain JSON"):
        records.add(job(2), {"found": {1, 2}}, seconds=1.0)


def test_workers_share_jobs(tmp_path: Path) -> None:
    jobs = [
        counting.job(
            chip="willow_72q",
            distance=3,
            patch=0,
            basis="z",
            cycles=cycles,
            shots=50,
            decoder="pymatching",
            seed=1,
        )
        for cycles in (2, 3, 4)
    ]
    shared = run_jobs(tmp_path / "two", jobs, workers=2)
    assert shared == run_jobs(tmp_path / "one", jobs)
    assert [record["shots"] for record in shared] == [50, 50, 50]


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signal masks")
def test_ctrl_c_ends_the_workers(tmp_path: Path) -> None:
    long = [
        counting.job(
            chip="willow_72q",
            distance=5,
            patch=0,
            basis="z",
            cycles=30,
            shots=10_000_000,
            decoder="pymatching",
            seed=seed,
        )
        for seed in (1, 2)
    ]
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(tmp_path, long, workers=2)
    timer.join()


# --- the report and the command, with a figure made for the test


def _toy() -> types.ModuleType:
    toy = types.ModuleType("toy_figure")

    def jobs(settings: Settings) -> list[Job]:
        return [job(settings.seed + number) for number in range(3)]

    def section(settings: Settings, records: Records) -> Section:
        total = sum(records[one]["square"] for one in jobs(settings))
        rows = [
            Row(
                quantity="squares | summed",
                ours=Estimate(float(total), 0.5, 1000.0),
                published="<b>12</b>",
                kind="predicted",
            ),
            Row(quantity="words", ours="seven", published="", kind="calibrated"),
        ]
        return Section(
            summary="First.\n\nSecond & last.",
            calibrated="nothing",
            predicted="squares",
            rows=rows,
            pictures=[Picture(name="toy", caption='A "toy"', draw=lambda path: path.write_bytes(PNG))],
            tables=[Table(title="More", header=("a",), rows=[["1"]])],
            limits=["Everything."],
        )

    toy.TITLE, toy.jobs, toy.section = "Toys", jobs, section  # type: ignore[attr-defined]
    return toy


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "toy_figure", _toy())
    monkeypatch.setattr(registry, "FIGURES", {"toy": "toy_figure"})
    monkeypatch.setattr(command, "FIGURES", registry.FIGURES)


@pytest.mark.usefixtures("toy")
def test_command_writes_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["reproduce", "toy", "--out", str(tmp_path / "r"), "--workers", "1", "--seed", "3"]
    assert cli.main([*arguments, "--decoders", "pymatching", "--quick"]) == 0
    assert "squares | summed" in capsys.readouterr().out
    text = (tmp_path / "r" / "report.md").read_text()
    assert "| squares \\| summed | 50.0 [0.500, 1.00e+03] | <b>12</b> | predicted |" in text
    assert "| command | qec reproduce toy --quick --seed 3 --decoders pymatching |" in text
    assert "- Calibrated: nothing" in text
    assert re.search(r"\| date \| 2\d{3}-\d\d-\d\d \|", text)
    assert '![A "toy"](figures/toy.png)' in text
    assert "12 shots simulated for it." in text
    page = (tmp_path / "r" / "report.html").read_text()
    assert "&lt;b&gt;12&lt;/b&gt;" in page
    assert "<b>12</b>" not in page
    assert "<p>First.</p>\n<p>Second &amp; last.</p>" in page
    assert "data:image/png;base64,iVBORw0KGg" in page
    assert 'src="figures' not in page
    assert '<a href="#toy">' in page
    assert '<h2 id="toy">' in page
    assert '<td class="predicted">predicted</td>' in page
    results = json.loads((tmp_path / "r" / "results.json").read_text())
    assert results["figures"]["toy"]["rows"][0]["here"]["value"] == 50.0
    assert results["run"]["seed"] == "3"
    # The same command again does no work, with another seed only what is new.
    before = len(calls)
    assert cli.main([*arguments, "--decoders", "pymatching", "--quick"]) == 0
    assert len(calls) == before
    assert cli.main([*arguments[:-1], "4", "--decoders", "pymatching"]) == 0
    assert len(calls) == before + 1


@pytest.mark.usefixtures("toy")
def test_a_stopped_command_writes_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["toy_figure"]
    whole = module.jobs
    monkeypatch.setattr(module, "jobs", lambda settings: [*whole(settings), job(1, stop)])
    arguments = ["reproduce", "all", "--out", str(tmp_path), "--workers", "1", "--decoders", "pymatching"]
    assert cli.main(arguments) == 130
    assert (
        "Not finished: 3 of 4 jobs done; run the same command to continue."
        in (tmp_path / "report.md").read_text()
    )


def test_publishing_takes_a_whole_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "FIGURES", {"toy": ""})
    report_folder, target = tmp_path / "r", tmp_path / "docs" / "reproduced"
    (report_folder / "figures").mkdir(parents=True)
    with pytest.raises(ValueError, match="run this in a checkout"):
        publish.publish(report_folder, target)
    (target / "figures").mkdir(parents=True)
    (target / "figures" / "old.png").touch()
    with pytest.raises(FileNotFoundError, match=r"report.md is missing: give a folder"):
        publish.publish(report_folder, target)
    (report_folder / "report.md").write_text("![A toy](figures/toy.png)")
    (report_folder / "results.json").write_text('{"run": {"settings": "quick"}, "figures": {"toy": {}}}')
    with pytest.raises(ValueError, match="made with --quick"):
        publish.publish(report_folder, target)
    (report_folder / "results.json").write_text('{"run": {"settings": "full"}, "figures": {}}')
    with pytest.raises(ValueError, match="has no toy: finish it"):
        publish.publish(report_folder, target)
    (report_folder / "results.json").write_text('{"run": {"settings": "full"}, "figures": {"toy": {}}}')
    curve = CurveSeries(label="line", x=[1, 2, 3], y=[1.0, 2.0, 3.0])
    figures.draw_curves(
        path=report_folder / "figures" / "toy.png",
        panels=[CurvePanel(title="Toy", x_label="x", y_label="y", series=[curve])],
    )
    assert (target / "figures" / "old.png").exists()
    size = publish.publish(report_folder, target)
    files = sorted(str(file.relative_to(target)) for file in target.rglob("*.*"))
    assert files == ["figures/toy.png", "report.md", "results.json"]
    assert size == sum((target / file).stat().st_size for file in files)
    assert size < (report_folder / "figures" / "toy.png").stat().st_size
    monkeypatch.setattr(publish, "_LARGEST", 1000)
    with pytest.raises(ValueError, match="more than 1,000 do not belong"):
        publish.publish(report_folder, target)
    assert (target / "figures" / "toy.png").exists()


def test_publishing_a_section_keeps_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Toy:
        TITLE = "Toy"

    monkeypatch.setattr(publish, "figure_by_name", lambda name: Toy)
    run, target = tmp_path / "run", tmp_path / "reproduced"
    for place, text, toy in ((run, "new", 2), (target, "old", 1)):
        (place / "figures").mkdir(parents=True)
        (place / "report.md").write_text(
            f"# Title\n\n## Toy\n\n`qec reproduce toy`.\n\n{text} ![A](figures/toy.png)\n\n"
            f"## Other\n\n{text}\n"
        )
        run_facts = '{"settings": "full", "date": "today"}'
        (place / "results.json").write_text(
            f'{{"run": {run_facts}, "figures": {{"toy": {{"x": {toy}}}, "other": {{"x": {toy}}}}}}}'
        )
    curve = CurveSeries(label="line", x=[1, 2], y=[1.0, 2.0])
    panel = CurvePanel(title="Toy", x_label="x", y_label="y", series=[curve])
    for name in ("toy", "other"):
        figures.draw_curves(path=run / "figures" / f"{name}.png", panels=[panel])
    for _ in range(2):  # a second time changes nothing
        publish.publish_sections(run, ["toy"], target)
        assert (target / "report.md").read_text() == (
            "# Title\n\n## Toy\n\n`qec reproduce toy`.\n\nA run of its own: date: today.\n\n"
            "new ![A](figures/toy.png)\n\n## Other\n\nold\n"
        )
    found = json.loads((target / "results.json").read_text())["figures"]
    assert found == {"toy": {"x": 2, "run": {"settings": "full", "date": "today"}}, "other": {"x": 1}}
    assert [file.name for file in (target / "figures").iterdir()] == ["toy.png"]
    with pytest.raises(ValueError, match="has no moon: finish it with qec reproduce moon"):
        publish.publish_sections(run, ["moon"], target)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["memory", "--watts_per_core", "0"], "--watts_per_core: 0: must be above 0"),
        (["moon"], "no figure is named 'moon': choose from all, memory, budget"),
        (["memory", "--workers", "0"], "--workers: 0: must be at least 1"),
        (["memory", "--seed", "-1"], "--seed: -1: must be at least 0"),
        (["memory", "--decoders", "magic"], "no decoder is named 'magic': choose from mwpm,"),
        (["memory", "--out", __file__], "there is a file of that name; give a folder"),
    ],
)
def test_wrong_use(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reproduce", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_published_values() -> None:
    found = published.value("memory.lambda_network")
    assert (found.value, found.error, found.mark) == (2.14, 0.02, "published")
    assert "Nature 638, 920" in found.source
    assert published.words("memory.lambda_network", note=False) == "2.14 ± 0.02"
    assert published.words("memory.epsilon_5_network", scale=1e3, note=False) == "3.06 (read by others)"
    assert published.words("memory.logical_lifetime", note=False) == "291 ± 6 us"
    with pytest.raises(ValueError, match=r"no published value 'memory.moon'; memory has best_qubit_lifetime"):
        published.value("memory.moon")
    with pytest.raises(FileNotFoundError):
        published.value("moon.lambda")
    for path in data_path("published").glob("*.toml"):
        for table in published.tables(path.stem):
            assert published.value(f"{path.stem}.{table}").source


def test_published_budget_adds_up() -> None:
    parts = [
        "two_qubit",
        "crosstalk",
        "leakage",
        "idle_measure_reset",
        "readout",
        "reset",
        "one_qubit",
        "heating",
    ]
    entries = [published.value(f"budget.{part}") for part in parts]
    assert sum(entry.value for entry in entries) == pytest.approx(
        published.value("budget.sum").value, abs=1e-3
    )
    for entry in entries:
        assert entry.weight is not None
        assert entry.rate is not None
        assert entry.weight * entry.rate == pytest.approx(entry.value, abs=1.5e-3)


def test_rows_show_their_scale() -> None:
    row = Row(
        quantity="q", ours=Estimate(2e-3, 1e-3, 4e-3), published="", kind="predicted", scale=1e3, unit="%"
    )
    assert row.our_words() == "2.00 [1.00, 4.00] %"
    assert report.comparison([row]).rows == [["q", "2.00 [1.00, 4.00] %", "-", "predicted", ""]]


@pytest.mark.parametrize("name", registry.FIGURES)
@pytest.mark.parametrize("quick", [True, False])
def test_every_figure_announces_its_work(name: str, quick: bool) -> None:
    settings = Settings(quick=quick, seed=5, workers=2, decoders=("mwpm",))
    figure = registry.figure_by_name(name)
    jobs = figure.jobs(settings)
    assert figure.TITLE
    assert [one.key for one in jobs] == [one.key for one in figure.jobs(settings)]
    assert all(json.loads(json.dumps(dict(one.arguments))) == dict(one.arguments) for one in jobs)
    assert all(one.cost > 0 for one in jobs)
    other = figure.jobs(Settings(quick=quick, seed=6, workers=2, decoders=("mwpm",)))
    assert {one.key for one in jobs}.isdisjoint(one.key for one in other)
