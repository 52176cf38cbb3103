"""`qec plot`: grouping, numbers and pictures from CSV files."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sinter

from experiments import cli
from experiments.sweep import counts, plot
from experiments.sweep.studies import describe, plain_words, split_common, studies


def row(
    distance: int,
    cycles: int,
    errors: int,
    *,
    p: float = 0.003,
    basis: str = "x",
    decoder: str = "pymatching",
    strong_id: str = "",
    shots: int = 10_000,
    **more: object,
) -> object:
    metadata = {"c": "surface", "noise": "si1000", "p": p, "d": distance, "r": cycles, "b": basis, **more}
    return sinter.TaskStats(
        strong_id=strong_id or f"{metadata} {decoder}",
        decoder=decoder,
        json_metadata=metadata,
        shots=shots,
        errors=errors,
    )


def grid(**changes: object) -> list[object]:
    return [
        row(distance, cycles, errors, **changes)  # type: ignore[arg-type]
        for distance, cycles, errors in [(3, 10, 800), (3, 30, 2000), (5, 10, 400), (5, 30, 1100)]
    ]


def png_files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.png"))
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in found)
    return found


def test_studies_are_told_apart_by_all_that_is_not_distance_cycles_or_basis() -> None:
    rows = [
        *grid(),
        *grid(p=0.004),
        *grid(decoder="pymatching-correlated"),
        *grid(basis="z"),
        *grid(gap=3),
    ]
    found, notes = studies(rows)
    assert notes == []
    assert len(found) == 4
    assert sorted(len(study.counts) for study in found) == [4, 4, 4, 8]
    common, own = split_common(found)
    assert describe(common) == "surface, si1000"
    assert "p = 0.004, pymatching" in [describe(part) for part in own]
    assert describe(found[0].key).startswith("surface, si1000, p = 0.003")


def test_strengths_are_sorted_as_numbers() -> None:
    found, _ = studies([*grid(p=0.01), *grid(p=0.002), *grid(p=1e-5)])
    assert [dict(study.key)["p"] for study in found] == ["1e-05", "0.002", "0.01"]


def test_two_circuits_of_one_name_are_added_and_reported() -> None:
    found, notes = studies([row(3, 10, 5, strong_id="old"), row(3, 10, 7, strong_id="new")])
    assert found[0].counts[0].errors == 12
    assert found[0].counts[0].shots == 20_000
    assert len(notes) == 1
    assert "d=3 r=10 b=x" in notes[0]


def test_discarded_shots_are_no_successes() -> None:
    discarding = sinter.TaskStats(
        strong_id="a", decoder="b", json_metadata={"d": 3, "r": 5}, shots=100, errors=4, discards=60
    )
    found, _ = studies([discarding])
    assert found[0].counts[0].shots == 40


def test_figures_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.csv"
    counts.write(path, [*grid(), *grid(basis="z"), *grid(p=0.004)])
    assert cli.main(["plot", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count("Lambda = ") == 2
    assert "surface, si1000, p = 0.003, pymatching" in out
    pictures = png_files(tmp_path)
    assert len(pictures) >= 2
    assert all(str(picture) in out for picture in pictures)


def test_strengths_and_decoders_share_a_file_and_fits_are_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.csv"
    rows = [
        row(d, 10, round(400 * (p / 0.006) ** ((d + 1) / 2)), p=p, c="surface_zxxz_cz", decoder=decoder)
        for decoder in ("mwpm", "pymatching")
        for p in (0.004, 0.005, 0.006, 0.007, 0.008)
        for d in (3, 5)
    ]
    counts.write(path, rows)
    arguments = ["--out", str(tmp_path / "new"), "--format", "svg", "--csv", str(tmp_path / "fits.csv")]
    assert cli.main(["plot", str(path), *arguments, "--json", str(tmp_path / "fits.json")]) == 0
    assert sorted(one.name for one in (tmp_path / "new").iterdir()) == ["r_strength.svg", "r_suppression.svg"]
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "fits.json").read_text())
    crossing = found["crossings"][0]
    assert crossing["key"] == {"c": "surface_zxxz_cz", "noise": "si1000", "decoder": "mwpm"}
    assert crossing["p"]["low"] < 0.006 < crossing["p"]["high"]
    assert f"d = 3 and 5 cross at p = {crossing['p']['value']:.2e} [" in out
    with (tmp_path / "fits.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(one["p"], one["decoder"], one["d"]) for one in table][:3] == [
        ("0.004", "mwpm", "3"),
        ("0.004", "mwpm", "5"),
        ("0.004", "pymatching", "3"),
    ]
    study = found["studies"][0]
    assert float(table[1]["epsilon"]) == study["distances"][1]["epsilon"]["value"]
    assert float(table[0]["lambda_high"]) == study["lambda"]["high"]


def test_titles_have_no_internal_names() -> None:
    found, _ = studies(
        [row(3, 10, 9, c="surface_zxxz_cz"), row(3, 10, 9, c="own_code", noise="device:d/a.toml", p=1)]
    )
    assert [plain_words(study.key) for study in found] == [
        "own_code, device a, p = 1, pymatching",
        "Rotated surface code (ZXXZ), SI1000 noise, p = 0.003, pymatching",
    ]


def test_a_single_point_makes_a_figure_too(tmp_path: Path) -> None:
    counts.write(tmp_path / "one.csv", [row(3, 10, 0)])
    assert cli.main(["plot", str(tmp_path / "one.csv"), "--out", str(tmp_path / "figures")]) == 0
    assert png_files(tmp_path) == []
    assert len(png_files(tmp_path / "figures")) == 1


def test_a_running_sweep_can_be_plotted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.csv"
    counts.write(path, grid())
    with path.open("a") as file:
        file.write("   100,")
    before = path.read_bytes()
    assert cli.main(["plot", str(path)]) == 0
    assert "left out a half-written last line" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no rows yet"),
        ([sinter.TaskStats(strong_id="a", decoder="b", json_metadata={"d": 3}, shots=5)], "metadata keys d"),
        ([sinter.TaskStats(strong_id="a", decoder="b", json_metadata=None, shots=5)], "metadata keys d"),
        ([row(0, 10, 1)], "metadata key d must be a positive whole number"),
    ],
)
def test_unusable_rows_are_one_line(
    rows: list[object], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts.write(tmp_path / "c.csv", rows)
    assert cli.main(["plot", str(tmp_path / "c.csv")]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_the_environment_of_a_notebook_does_not_matter(tmp_path: Path) -> None:
    """Importing matplotlib fails where MPLBACKEND names a backend that is not installed."""
    counts.write(tmp_path / "c.csv", [row(3, 10, 4)])
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli", "plot", str(tmp_path / "c.csv")],
        env={**os.environ, "MPLBACKEND": "module://of_a_notebook.backend", "MPLCONFIGDIR": "/proc/nothing"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_files_and_folders_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plot", str(tmp_path / "gone.csv")]) == 2
    assert "gone.csv: no such CSV file" in capsys.readouterr().err
    counts.write(tmp_path / "c.csv", grid())
    assert cli.main(["plot", str(tmp_path / "c.csv"), "--out", str(tmp_path / "gone" / "figures")]) == 2
    assert "no folder" in capsys.readouterr().err
    (tmp_path / "c_suppression.png").mkdir()  # found before the file is read
    assert cli.main(["plot", str(tmp_path / "c.csv")]) == 2
    done = capsys.readouterr()
    assert "c_suppression.png: is a folder" in done.err
    assert done.out == ""


def test_a_key_that_changes_with_the_distance_does_not_hide_lambda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plot, "_draw", lambda *_: [])
    path = tmp_path / "c.csv"
    rows = [
        row(d, r, errors, p=p, q=2 * d * d - 1, path=f"{p}/{d}_{r}.stim")
        for p in (0.003, 0.004)
        for d, r, errors in [(3, 10, 800), (3, 30, 2000), (5, 10, 400), (5, 30, 1100)]
    ]
    counts.write(path, rows)
    assert cli.main(["plot", str(path)]) == 0
    done = capsys.readouterr()
    assert done.out.count("Lambda = ") == 2
    assert [line.split(" key ")[1].split()[0] for line in done.err.splitlines()] == ["'path'", "'q'"]
    assert cli.main(["plot", str(path), "--keep", "q", "--ignore", "path"]) == 0
    done = capsys.readouterr()
    assert "Lambda" not in done.out
    assert done.err == ""


@pytest.mark.parametrize("distance", [3, 3.0, "3", "3.0"])
def test_whole_numbers_in_any_notation(distance: object) -> None:
    data = {"d": distance, "r": 5.0, "b": "X"}
    (found,), _ = studies([sinter.TaskStats(strong_id="a", decoder="b", json_metadata=data, shots=9)])
    assert (found.counts[0].distance, found.counts[0].cycles, found.counts[0].basis) == (3, 5, "x")


@pytest.mark.parametrize("distance", [True, 3.5, "three", None, [3], float("inf"), float("nan"), -3])
def test_other_values_are_no_distance(distance: object) -> None:
    data = {"d": distance, "r": 5}
    with pytest.raises(ValueError, match="metadata key d must be a positive whole number"):
        studies([sinter.TaskStats(strong_id="a", decoder="b", json_metadata=data, shots=9)])


def test_rows_without_shots_that_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = [
        sinter.TaskStats(strong_id=str(d), decoder="b", json_metadata={"d": d, "r": 5}, shots=9, discards=9)
        for d in (3, 5)
    ]
    counts.write(tmp_path / "empty.csv", empty)
    assert cli.main(["plot", str(tmp_path / "empty.csv")]) == 2
    assert "no shots to fit: 18 shots in 2 rows, all discarded" in capsys.readouterr().err
    _, notes = studies([*grid(), *empty])
    assert notes == ["left out 2 of 6 rows: no shots, or all of them discarded"]


def test_discarded_shots_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        sinter.TaskStats(
            strong_id=f"{distance}",
            decoder="mwpm-gap-2",
            json_metadata={"d": distance, "r": 10, "b": "z"},
            shots=1000,
            errors=50,
            discards=distance,
        )
        for distance in (3, 5)
    ]
    counts.write(tmp_path / "a.csv", rows)
    assert cli.main(["plot", str(tmp_path / "a.csv")]) == 0
    out = capsys.readouterr().out
    assert [line.split()[3] for line in out.splitlines() if line.startswith("  3 ")] == ["997"]
    assert "  discarded, and not counted above: 8 shots\n" in out
