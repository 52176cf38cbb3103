"""`qec draw`: models from files or simulated, shots from files, seeds or the command line; wrong use."""

import re
from pathlib import Path

import pytest
import stim

from experiments import cli
from qec import resources

_SAMPLE = "samples/si1000_surface_code/d3_at_q3_3/Z/r05"


def draw(*arguments: object) -> str:
    """Text of the picture."""
    words = [str(one) for one in arguments]
    assert cli.main(["draw", *words]) == 0
    page = Path(words[words.index("--out") + 1]).read_text()
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", page))


@pytest.fixture
def sample() -> Path:
    return resources.data_path(_SAMPLE)


def test_simulated_shots(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    memory = ["--distance", 3, "--rounds", 4, "--p", 0.01, "--out", path]
    text = draw(*memory, "--seed", 5)
    assert text.count("surface, d = 3, 4 cycles, si1000, p = 0.01, shot ") == 1
    assert "of seed 5" in text
    assert re.search(r"flips (L0|no observable) \((correct|actual: )", text)
    assert draw(*memory, "--seed", 5) == text
    assert "shot 7 of seed 6" in draw(*memory, "--seed", 6, "--shot", 7)
    assert "2 detection events;" in draw(*memory, "--detectors", "0,1", "--labels")
    assert "growth" not in text
    assert "regions have grown for" in draw(*memory, "--detectors", "0,1", "--at", 0.5)
    assert "200 shots" in draw(*memory, "--picture", "fractions", "--shots", 200)


def test_shots_of_a_file(sample: Path, tmp_path: Path) -> None:
    circuit, shots, path = (
        sample / "circuit_noisy_si1000.stim",
        sample / "detection_events.b8",
        tmp_path / "a.svg",
    )
    model = stim.Circuit.from_file(circuit).detector_error_model(decompose_errors=True)
    events = stim.read_shot_data_file(path=shots, format="b8", num_detectors=model.num_detectors)
    for shot in (3, 999):
        text = draw(circuit, "--in", shots, "--shot", shot, "--out", path)
        assert f"circuit_noisy_si1000.stim, shot {shot} of detection_events.b8" in text
        assert f"{events[shot].sum()} detection events;" in text
    mean = 100 * events.mean(axis=0)
    assert "1,000 shots" in (text := draw(circuit, "--in", shots, "--picture", "fractions", "--out", path))
    assert mean.min() < float(re.findall(r"mean ([\d.]+) %", text)[0]) < mean.max()
    model.to_file(tmp_path / "m.dem")
    assert "m.dem detectors: 24; edges: 87" in draw(tmp_path / "m.dem", "--picture", "model", "--out", path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("a.stim", "a.stim: no such file"),
        ("a.txt", "must end in .stim (circuit) or .dem (error model)"),
        ("bad.dem", "bad.dem: cannot be read as .dem"),
        ("empty.dem", "the model has no detectors"),
        ("pair.dem --p 0.1", "--p with a model"),
        ("pair.dem --detectors 2", "the model has detectors 0 to 1"),
        ("pair.dem --detectors 0", "no error explains"),
        ("pair.dem --in a.b8", "--in a.b8: no such file"),
        ("pair.dem --in two.01 --shot 2", "has no shot 2, it has 2 shots"),
        ("pair.dem --in two.01", "has no detection events"),
        ("pair.dem --in two.01 --detectors 1", "the shot is given twice"),
        ("pair.dem --picture fractions", "no coordinates"),
        ("pair.dem --picture model --out a.gif", "must end in one of .png, .svg, .pdf"),
        ("--p 0", "no detection events"),
        ("--distance 1001", "at most 49"),
        ("--at 2", "--at 2: must lie between 0 and 1"),
        ("--at 0.5 --out a.gif", "--at is for one frame"),
        ("--out a.jpg", "must end in one of .png, .svg, .pdf, .gif, .html"),
        ("--out nowhere/a.png", "make it first"),
        ("--width 100", "must lie between"),
        ("--frames 5000", "--frames 5000: at most"),
        ("--shots 5", "--shots is the number of simulated shots"),
        ("--picture model --detectors 3", "--detectors with --picture model"),
        ("--in_format 01", "--in_format without --in"),
        ("--noise device:example --p 0.1", "leave --p out"),
    ],
)
def test_wrong_use(
    arguments: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").touch()
    (tmp_path / "bad.dem").write_text("error(2) D0\n")
    (tmp_path / "empty.dem").touch()
    (tmp_path / "pair.dem").write_text("error(0.1) D0 D1 L0\n")
    (tmp_path / "two.01").write_text("00\n00\n")
    before = set(tmp_path.iterdir())
    assert cli.main(["draw", *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
    assert set(tmp_path.iterdir()) == before
