"""`qec decode` on files: every format, streams, counting, and what it says about wrong files."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pymatching
import pytest
import stim

from experiments import cli
from experiments.common.shot_files import FORMATS

_SHOTS = 640


class Files:
    """A circuit's model, shots and what PyMatching itself predicts for them."""

    def __init__(self, folder: Path) -> None:
        circuit = stim.Circuit.generated(
            "surface_code:rotated_memory_x", distance=3, rounds=4, after_clifford_depolarization=0.01
        )
        dem = circuit.detector_error_model(decompose_errors=True)
        self.folder = folder
        self.dem = folder / "model.dem"
        dem.to_file(self.dem)
        self.events, self.flips = circuit.compile_detector_sampler(seed=7).sample(
            _SHOTS, separate_observables=True
        )
        self.predictions = (
            pymatching.Matching.from_detector_error_model(dem).decode_batch(self.events).astype(bool)
        )
        self.num_errors = int((self.predictions != self.flips).any(axis=1).sum())
        self.num_detectors = dem.num_detectors

    def write_events(self, name: str, format: str) -> str:
        path = self.folder / name
        stim.write_shot_data_file(
            data=self.events, path=path, format=format, num_detectors=self.num_detectors
        )
        return str(path)

    def write_flips(self, name: str, format: str) -> str:
        path = self.folder / name
        stim.write_shot_data_file(data=self.flips, path=path, format=format, num_observables=1)
        return str(path)

    def read_predictions(self, name: str, format: str) -> np.ndarray:
        return stim.read_shot_data_file(path=self.folder / name, format=format, num_observables=1)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every file long: 64 shots at a time."""
    monkeypatch.setattr("experiments.decode.shots_per_piece", lambda _: 64)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_in_and_out(format: str, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["decode", "--dem", str(files.dem), "--in", files.write_events(f"shots.{format}", format)]
    arguments += ["--out", str(files.folder / f"predictions.{format}")]
    arguments += ["--obs_in", files.write_flips(f"flips.{format}", format)]
    assert cli.main([*arguments, "--decoder", "pymatching"]) == 0
    assert np.array_equal(files.read_predictions(f"predictions.{format}", format), files.predictions)
    out = capsys.readouterr().out
    assert f"{_SHOTS} shots" in out
    assert f"{files.num_errors} errors" in out
    assert 0 < files.num_errors < _SHOTS


@pytest.mark.usefixtures("small_pieces")
def test_appended_observables_are_counted_and_not_shown_to_the_decoder(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files.folder / "both.dets"
    stim.write_shot_data_file(
        data=np.concatenate([files.events, files.flips], axis=1),
        path=path,
        format="dets",
        num_detectors=files.num_detectors,
        num_observables=1,
    )
    arguments = ["decode", "--dem", str(files.dem), "--in", str(path), "--in_includes_appended_observables"]
    assert cli.main(arguments) == 0
    assert f"{files.num_errors} errors" in capsys.readouterr().out


def test_hyperedges_are_decomposed_or_dropped_and_counted(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_x", distance=3, rounds=4, after_clifford_depolarization=0.01
    )
    circuit.detector_error_model().to_file(files.dem)
    arguments = ["decode", "--dem", str(files.dem), "--in", files.write_events("shots.b8", "b8")]
    arguments += ["--obs_in", files.write_flips("flips.b8", "b8")]
    assert cli.main(arguments) == 2
    assert "--hyperedges" in capsys.readouterr().err
    errors = {}
    for how in ("decompose", "drop"):
        assert cli.main([*arguments, "--hyperedges", how]) == 0
        printed = capsys.readouterr()
        errors[how] = int(printed.out.splitlines()[1].split()[0])
        done = "0 dropped" if how == "decompose" else r"0 decomposed, \d+ dropped \(\S+ expected per shot\)"
        assert re.search(f"qec decode: mwpm: [0-9]+ error components .*{done}", printed.err)
    assert errors["decompose"] <= files.num_errors + 5 < errors["drop"] + 10


def test_formats_given_win_over_endings(files: Files) -> None:
    shots = files.write_events("shots.b8", "01")
    arguments = ["decode", "--dem", str(files.dem), "--in", shots, "--in_format", "01"]
    assert cli.main([*arguments, "--out", str(files.folder / "p.b8"), "--out_format", "hits"]) == 0
    assert np.array_equal(files.read_predictions("p.b8", "hits"), files.predictions)


def test_streams(files: Files) -> None:
    shots = Path(files.write_events("shots.b8", "b8")).read_bytes()
    arguments = f"decode --dem {files.dem} --in - --in_format b8 --out - --out_format 01"
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli", *arguments.split()],
        input=shots,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"".join(b"%d\n" % flip for flip in files.predictions[:, 0])
    assert f"{_SHOTS} shots" in done.stderr.decode()


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("kept", [_SHOTS - 1, _SHOTS - 64, 64, 1])
@pytest.mark.parametrize("short", ["events", "flips"])
def test_files_of_different_length_are_refused(
    kept: int, short: str, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    setattr(files, short, getattr(files, short)[:kept])
    arguments = ["decode", "--dem", str(files.dem), "--in", files.write_events("shots.01", "01")]
    assert cli.main([*arguments, "--obs_in", files.write_flips("flips.01", "01")]) == 2
    error = capsys.readouterr().err
    assert "flips.01: its shots do not match those of --in" in error
    assert len(error.splitlines()) == 1


def test_a_failure_leaves_no_predictions(files: Files) -> None:
    shots = Path(files.write_events("shots.01", "01"))
    shots.write_text(shots.read_text() + "0101\n")
    out = files.folder / "predictions.01"
    assert cli.main(["decode", "--dem", str(files.dem), "--in", str(shots), "--out", str(out)]) == 2
    assert not [path for path in files.folder.iterdir() if path.name.startswith("predictions")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--dem": "nowhere.dem"}, "--dem nowhere.dem: no such file"),
        ({"--in": "nowhere.b8"}, "--in nowhere.b8: no such file"),
        ({"--obs_in": "nowhere.b8"}, "--obs_in nowhere.b8: no such file"),
        ({"--obs_in": "-"}, "stdin is for --in"),
        ({"--out": "{folder}/predictions"}, "give --out_format 01|b8|r8|hits|dets|ptb64"),
        ({"--out": None}, "nothing to do"),
        ({"--out": "{folder}/nowhere/predictions.01"}, "nowhere"),
        (
            {"--out": None, "--out_format": "b8", "--obs_in": "{folder}/shots.01"},
            "--out_format without --out",
        ),
        ({"--obs_in_format": "b8"}, "--obs_in_format without --obs_in"),
        ({"--decoder": "guess"}, "pymatching"),
        ({"--threads": "0"}, "--threads: 0: must be "),
        ({"--threads": "2"}, "threads=2"),
        ({"--dem": "{folder}/shots.01"}, "not a detector error model"),
        ({"--dem": "{folder}/blind.dem"}, "no observable"),
        ({"--in_format": "ptb64"}, "shots.01: cannot read shots 0 and later as ptb64"),
    ],
)
def test_wrong_use_is_one_line(
    change: dict[str, str | None], words: str, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    (files.folder / "blind.dem").write_text("error(0.1) D0\n")
    options: dict[str, str | None] = {
        "--dem": str(files.dem),
        "--in": files.write_events("shots.01", "01"),
        "--out": str(files.folder / "predictions.01"),
        "--decoder": "pymatching",
    }
    options |= {flag: value and value.format(folder=files.folder) for flag, value in change.items()}
    arguments = [word for flag, value in options.items() if value is not None for word in (flag, value)]
    assert cli.main(["decode", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


def test_errors_that_are_no_edges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Matching says what can be done, and that works."""
    circuit = stim.Circuit.generated(
        "color_code:memory_xyz", distance=3, rounds=2, after_clifford_depolarization=0.01
    )
    circuit.detector_error_model().to_file(tmp_path / "model.dem")
    circuit.compile_detector_sampler(seed=1).sample_write(
        500,
        filepath=str(tmp_path / "shots.b8"),
        format="b8",
        obs_out_filepath=str(tmp_path / "flips.b8"),
        obs_out_format="b8",
    )
    arguments = ["decode", "--dem", str(tmp_path / "model.dem"), "--in", str(tmp_path / "shots.b8")]
    arguments += ["--obs_in", str(tmp_path / "flips.b8"), "--decoder"]
    assert cli.main([*arguments, "mwpm"]) != 0
    message = capsys.readouterr().err
    assert "detectors, but matching takes at most two" in message
    assert "'trellis'" in message
    assert cli.main([*arguments, "trellis"]) == 0
    found = re.search(r"(\d+) errors", capsys.readouterr().out)
    assert found is not None
    assert 0 < int(found[1]) < 50
