"""`qec reproduce`: the published results in simulation, figure by figure, in one report."""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import decoders
from experiments.cluster.pool import LOCAL
from experiments.common.machine import description
from experiments.common.numbers import duration
from experiments.common.parser import add_live, decoder, project_version, real, whole
from experiments.common.terminal import Progress, table
from experiments.common.timing import usable_cores
from experiments.monitor.live import LiveProgress, check_terminal
from experiments.reproduce.engine import report
from experiments.reproduce.engine.figure import FULL, QUICK, Job, Settings
from experiments.reproduce.engine.records import RecordsFile
from experiments.reproduce.engine.runner import Runner
from experiments.reproduce.live import ReproduceScreen, news_of
from experiments.reproduce.registry import FIGURES, figure_by_name

_ALL = "all"
_WORKHORSE = "mwpm-correlated"
_INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec reproduce`."""
    add = parser.add_argument
    parser.epilog = (
        f"Figures: {', '.join(FIGURES)}.\n"
        "Finished work is kept in the folder: after a stop, run the same command to continue.\n"
        "The report is report.html (one file with everything inside) and report.md."
    )
    add("figures", nargs="+", metavar="FIGURE", help=f"{_ALL}, or names from the list below")
    add("--quick", action="store_true", help="fewer shots and wider intervals: minutes for everything")
    add("--out", default="qec_reproduce", metavar="DIR", help="folder of the report")
    add_live(parser)
    add("--workers", type=whole(), metavar="N", help="processes; default: one for each core")
    add(
        "--cluster",
        metavar="ADDRESS",
        help="workers of a dask scheduler for jobs that do not need this machine: as for qec sweep",
    )
    add("--seed", type=whole(0), default=1, metavar="N", help="random seed")
    add(
        "--decoders",
        nargs="+",
        type=decoder,
        metavar="NAME",
        help="decoders of the memory figure, the first one used where one is needed; default: all of our "
        f"own, {_WORKHORSE} first",
    )
    add(
        "--watts_per_core",
        type=real(above=0),
        default=10.0,
        metavar="W",
        help="assumed power of a core that decodes, for the figure scaling",
    )


def run(args: argparse.Namespace) -> int:
    """Run the figures; see `add_arguments`."""
    if args.cluster not in (None, LOCAL) and args.workers is not None:
        raise ValueError(f"--cluster {args.cluster} has its own workers: leave --workers out")
    if args.live:
        check_terminal()
    names = _names(args.figures)
    settings = _settings(args)
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: there is a file of that name; give a folder")
    figures = {name: figure_by_name(name) for name in names}
    jobs = {name: figure.jobs(settings) for name, figure in figures.items()}
    start = time.monotonic()
    live = LiveProgress(ReproduceScreen(), modest=False) if args.live else None
    with RecordsFile(out) as records, Progress() if live is None else live as progress:
        for note in records.notes:
            print(f"qec reproduce: {note}", file=sys.stderr)
        runner = Runner(
            records=records,
            workers=settings.workers,
            decoders=settings.decoders,
            progress=progress,
            cluster=args.cluster,
            kept=None if live is None else lambda: live.send(news_of(jobs, records)),
        )
        runner.expect([job for found in jobs.values() for job in found])
        if live is not None:
            live.send(news_of(jobs, records))
        stopped = False
        try:
            for name in names:
                runner.run(name, jobs[name])
        except KeyboardInterrupt:
            stopped = True
        progress.show("writing the report")
        chapters = [_chapter(name, jobs[name], args, settings=settings, records=records) for name in names]
        facts = _facts(args, settings, chapters, seconds=time.monotonic() - start)
        done = {job.key: records.seconds(job) for found in jobs.values() for job in found if job in records}
        facts.append(("all jobs took", f"{duration(sum(done.values()))}, one after the other"))
        files = report.write(out, chapters=chapters, facts=facts)
    if stopped:
        print(
            f"qec reproduce: stopped; {out} keeps what is finished; run the same command to continue",
            file=sys.stderr,
        )
    for chapter in chapters:
        if chapter.section is not None and chapter.section.rows:
            found = report.comparison(chapter.section.rows)
            print(f"{chapter.title}\n{table(found.header[:4], [row[:4] for row in found.rows])}\n")
    print(f"Report: {files[0]}")
    return _INTERRUPTED if stopped else 0


def _names(given: Sequence[str]) -> list[str]:
    wanted = list(FIGURES) if _ALL in given else list(dict.fromkeys(given))
    for name in given:
        if name != _ALL and name not in FIGURES:
            raise ValueError(f"no figure is named {name!r}: choose from {_ALL}, {', '.join(FIGURES)}")
    return wanted


def _settings(args: argparse.Namespace) -> Settings:
    workers = len(usable_cores()) if args.workers is None else args.workers
    chosen = list(dict.fromkeys(args.decoders)) if args.decoders else own_decoders()
    return Settings(
        quick=args.quick,
        seed=args.seed,
        workers=workers,
        decoders=tuple(chosen),
        watts_per_core=args.watts_per_core,
    )


def own_decoders() -> list[str]:
    """Decoders of this project for whole shots: neither others' nor those that decode in windows."""
    found = [
        name
        for name in decoders.names()
        if not name.startswith("pymatching") and not name.endswith("-stream")
    ]
    # The first one is used where a figure needs only one: the best of those that keep up with many shots.
    return sorted(found, key=lambda name: name != _WORKHORSE)


def _chapter(
    name: str, jobs: Sequence[Job], args: argparse.Namespace, *, settings: Settings, records: RecordsFile
) -> report.Chapter:
    figure = figure_by_name(name)
    done = [job for job in jobs if job in records]
    whole = len(done) == len(jobs)
    return report.Chapter(
        name=name,
        title=figure.TITLE,
        section=figure.section(settings, records) if whole else None,
        shots=sum(int(records[job].get("shots", 0)) for job in done),
        jobs=(len(jobs), len(done)),
        command=_command(args, [name]),
    )


def _command(args: argparse.Namespace, names: Sequence[str]) -> str:
    words = ["qec", "reproduce", *names]
    if args.quick:
        words.append("--quick")
    words += ["--seed", str(args.seed)]
    if args.decoders:
        words += ["--decoders", *args.decoders]
    return shlex.join(words)


def _facts(
    args: argparse.Namespace, settings: Settings, chapters: Sequence[report.Chapter], *, seconds: float
) -> list[tuple[str, str]]:
    return [
        ("command", _command(args, args.figures)),
        ("settings", QUICK if settings.quick else FULL),
        ("seed", str(settings.seed)),
        ("decoders", ", ".join(settings.decoders)),
        ("shots", f"{sum(chapter.shots for chapter in chapters):,}"),
        ("this project", project_version()),
        ("made on", description()),
        ("date", time.strftime("%Y-%m-%d", time.gmtime())),
        ("this run took", f"{duration(seconds)}, {settings.workers} worker processes"),
    ]
