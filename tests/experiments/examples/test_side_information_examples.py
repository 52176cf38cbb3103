"""Examples of erasure and soft readout: what a shot reports leads to fewer logical errors."""

import runpy
import sys

import pytest


@pytest.mark.parametrize("name", ["erasure", "soft_readout"])
def test_side_information_helps(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--distances", "3", "5", "--strengths", "0.03", "--shots", "1500"]
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_module(f"experiments.examples.{name}", run_name="__main__")
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["p", "distance"]
    for row, distance in zip(rows[:2], (3, 5), strict=True):
        p, size, informed, *_, uninformed = map(float, row.split())
        assert (p, size) == (0.03, distance)
        assert 0 < informed < 0.8 * uninformed
