"""`qec bench build` on a tiny memory."""

import numpy as np
import pytest

from experiments import cli
from experiments.bench.speed import build


def test_both_decoders_are_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--codes", "repetition", "--distance", "3", "--cycles", "30", "--repeats", "1"]
    assert cli.main(["bench", "build", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "d = 3, 30 cycles, p = 0.001; each value the median of one process"
    assert [line.split()[:2] for line in lines[4:]] == [["repetition", "pymatching"], ["repetition", "mwpm"]]
    assert all(float(line.split()[2]) >= 0 for line in lines[4:])
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize(("flag", "least"), [("cycles", 2), ("distance", 2), ("repeats", 1)])
def test_numbers_out_of_range_are_refused(flag: str, least: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "build", f"--{flag}", "0"]) == 2
    assert capsys.readouterr().err == f"qec bench: --{flag} is 0: it must be at least {least}\n"


def test_no_probability_of_an_irregular_model_occurs_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def record(name: str, dem: object) -> None:
        built.append(dem)

    monkeypatch.setattr(build.decoders, "from_dem", record)
    build.measure(code="repetition", name="mwpm", distance=3, cycles=10, flattened=False, irregular=True)
    errors = [part for part in built[-1] if part.type == "error"]
    probabilities = {error.args_copy()[0] for error in errors}
    assert len(probabilities) == len(errors) > 50


@pytest.mark.skipif(not build.Path("/proc/self/status").exists(), reason="peaks are not reset here")
def test_a_peak_counts_from_the_last_reset() -> None:
    large = np.ones(20_000_000)
    assert build._peak_kb() > 150_000
    del large
    before = build._peak_kb(reset=True)
    large = np.ones(10_000_000)
    assert 70_000 < build._peak_kb() - before < 120_000
    del large
