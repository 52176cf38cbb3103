"""`qec bench build` on a tiny memory."""

import pytest

from experiments import cli


def test_both_decoders_are_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--codes", "repetition", "--distance", "3", "--cycles", "30", "--repeats", "1"]
    assert cli.main(["bench", "build", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "d = 3, 30 cycles, p = 0.001; medians of 1 processes"
    assert [line.split()[:2] for line in lines[3:]] == [["repetition", "pymatching"], ["repetition", "mwpm"]]
    assert all(float(line.split()[2]) >= 0 for line in lines[3:])
