"""`qec replay`: decode recorded streams again, and compare with the recorded answers."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from experiments.common.growing_file import GrowingFile
from experiments.common.parser import decoder, output, real
from experiments.common.preparation import preparation
from experiments.common.terminal import Progress
from experiments.loop.comparison import Comparison, comparison_table, recording_summary
from experiments.loop.offline import RECORDED, OfflineDecoding
from realtime.source.recording import Recording, read_recording

DIFFERENT = 1  # exit code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec replay`."""
    add = parser.add_argument
    parser.epilog = (
        "Recordings with answers are written by qec serve --record and by qec stream --to ADDRESS --record.\n"
        "Exit code 1: more shots than --allow have another correction than the recorded one, or none."
    )
    add("what", nargs="+", metavar="PATH", help="recordings, or folders of them")
    add(
        "--decoders",
        nargs="+",
        type=_decoder,
        default=[RECORDED],
        metavar="NAME",
        help=f"'{RECORDED}': the one that gave the answers, in its windows; or any other, on whole shots",
    )
    add("--model", metavar="FILE", help="circuit (.stim) or error model (.dem) in place of the recorded one")
    add(
        "--allow",
        type=real(0, 1),
        default=0.0,
        metavar="PART",
        help="fraction of the shots that may differ",
    )
    add("--json", type=output(), metavar="FILE", help="write a line for every shot")


def _decoder(text: str) -> str:
    return text if text == RECORDED else decoder(text)


class _Shot(NamedTuple):
    """Corrections of one shot."""

    file: str
    number: int
    status: str
    recorded: bytes | None
    true: bytes | None
    #: By decoder.
    replayed: dict[str, bytes | None]

    def line(self) -> str:
        """Format as JSON."""
        values = {
            "file": self.file,
            "shot": self.number,
            "status": self.status,
            "recorded": _hexadecimal(self.recorded),
            "true": _hexadecimal(self.true),
            "replayed": {name: _hexadecimal(flips) for name, flips in self.replayed.items()},
        }
        return json.dumps(values)


def run(args: argparse.Namespace) -> int:
    """Decode and compare."""
    names = list(dict.fromkeys(args.decoders))
    shots: list[_Shot] = []
    with Progress() as progress:
        for path in _files(args.what):
            progress.show(f"reading {path}")
            recording = read_recording(path)
            if not recording.has_answers:
                raise ValueError(
                    f"{path}: without answers to compare with: record with qec serve --record, or with "
                    "qec stream --to ADDRESS --record"
                )
            progress.clear()
            print(f"{path}: {recording_summary(recording)}")
            shots += _replayed(path, recording, names, args.model, progress)
    if args.json:
        with GrowingFile(Path(args.json), advice="give another --json") as lines:
            lines.replace(shot.line() for shot in shots)
    comparisons = [_compared(shots, name) for name in names]
    print(comparison_table(comparisons))
    return 0 if all(one.agrees(allowed=args.allow) for one in comparisons) else DIFFERENT


def _files(given: list[str]) -> Iterator[Path]:
    for path in map(Path, given):
        if not path.is_dir():
            yield path
            continue
        found = sorted(path.glob("*.qecs"))
        if not found:
            raise ValueError(f"{path}: no recording (*.qecs) in this folder")
        yield from found


def _replayed(
    path: Path, recording: Recording, names: list[str], model: str | None, progress: Progress
) -> Iterator[_Shot]:
    decoding = _decoding(path, recording, model)
    for group in recording.groups:
        found = {}
        for name in names:
            with preparation("qec replay", name, progress=progress):
                found[name] = decoding.decode(name, group.playlist)
        flips = group.playlist.observable_flips
        for at, (number, answer) in enumerate(zip(group.numbers, group.answers, strict=True)):
            yield _Shot(
                file=str(path),
                number=number,
                status=answer.status if answer else "MISSING",
                recorded=answer.flips if answer else None,
                true=None if flips is None else flips[at].tobytes(),
                replayed={name: found[name][at] for name in names},
            )


def _decoding(path: Path, recording: Recording, model: str | None) -> OfflineDecoding:
    notes = recording.notes
    if model is None:
        if recording.model is None:
            raise ValueError(f"{path}: it holds no model: give a circuit or an error model with --model")
        is_circuit = notes.get("model_format") != "dem"
        return OfflineDecoding(recording.model, is_circuit=is_circuit, notes=notes, name=str(path))
    if not Path(model).is_file():
        raise FileNotFoundError(f"--model {model}: no such file")
    text = Path(model).read_text(encoding="utf-8-sig", errors="replace")
    return OfflineDecoding(
        text, is_circuit=Path(model).suffix != ".dem", notes=notes, name=f"--model {model}"
    )


def _compared(shots: list[_Shot], name: str) -> Comparison:
    return Comparison.of(
        name,
        recorded=[shot.recorded for shot in shots],
        replayed=[shot.replayed[name] for shot in shots],
        true=[shot.true for shot in shots],
        numbers=[shot.number for shot in shots],
    )


def _hexadecimal(flips: bytes | None) -> str | None:
    return None if flips is None else flips.hex()
