"""`qec bench build` on a tiny memory."""

import pytest

from experiments import cli


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
