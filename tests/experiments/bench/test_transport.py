"""`qec bench transport`: every shot arrives by both ways. No times."""

import re

import pytest

from experiments import cli


def test_both_transports_carry_all_frames(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--rounds", "1", "--shots", "2", "--cycles", "200", "--cycle_ns", "20000"]
    assert cli.main(["bench", "transport", *chosen]) == 0
    assert re.findall(r"^  (ipc|shm) +40 ", capsys.readouterr().out, re.MULTILINE) == ["ipc", "shm"]
