"""`qec hardware`: published counts reproduced, which model is used, fits, tables, files, wrong use."""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import pymatching
import pytest
import stim

import decoders
from experiments import cli
from experiments.hardware import command
from experiments.hardware.report import report
from experiments.hardware.results import (
    DECODED,
    PUBLISHED,
    Result,
    fits,
    patch_name,
    release_folder,
    suppression,
    totals,
)
from qec.datasets import Experiment, experiment_folder, read_experiment, write_experiment
from qec.resources import data_path
from qec.statistics import per_shot

# Errors in 50,000 shots of the predictions that lie in the folders: pymatching, correlated matching, belief
# matching, tensor network.
PUBLISHED_ERRORS = {
    "surface_code_bX_d3_r01_center_3_5": (794, 792, 811, 804),
    "surface_code_bX_d3_r01_center_7_5": (851, 851, 851, 819),
    "surface_code_bX_d3_r05_center_3_5": (7825, 7284, 6520, 6389),
    "surface_code_bX_d3_r05_center_7_5": (7845, 7174, 6599, 6387),
    "surface_code_bX_d3_r09_center_3_5": (12974, 12087, 10820, 10579),
    "surface_code_bX_d3_r09_center_7_5": (12636, 11492, 10704, 10490),
    "surface_code_bX_d3_r13_center_3_5": (16355, 15351, 14170, 13969),
    "surface_code_bX_d3_r13_center_7_5": (16120, 15096, 13781, 13566),
    "surface_code_bX_d5_r01_center_5_5": (449, 447, 447, 426),
    "surface_code_bX_d5_r05_center_5_5": (7412, 6504, 5652, 5392),
    "surface_code_bX_d5_r09_center_5_5": (13021, 11304, 10159, 9604),
    "surface_code_bX_d5_r13_center_5_5": (16447, 14797, 13182, 12593),
}
DISTANCE_3 = [folder for folder in PUBLISHED_ERRORS if "_d3_" in folder]


def circuits(*, distance: int, rounds: int, p: float = 0.01) -> tuple[stim.Circuit, stim.Circuit]:
    noisy = stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_measure_flip_probability=p,
    )
    return noisy.without_noise(), noisy


def write(root: Path, *, rounds: int, shots: int = 300, distance: int = 3, predictions: bool = False) -> Path:
    clean, noisy = circuits(distance=distance, rounds=rounds)
    return write_experiment(
        experiment_folder(root, distance=distance, center=(4, 5), basis="Z", rounds=rounds),
        metadata={"distance": distance, "rounds": rounds, "basis": "Z", "data_qubit_coords": [[4, 5]]},
        circuit=clean,
        noisy_circuit=noisy,
        measurements=noisy.compile_sampler(seed=rounds).sample(shots),
        predictions={"none_with_si1000_prior": np.zeros((shots, 1), dtype=np.bool_)} if predictions else None,
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main(["hardware", *map(str, arguments)])
    done = capsys.readouterr()
    return code, done.out, done.err


def result(**changes: object) -> Result:
    fields: dict[str, object] = {
        "folder": "x", "patch": "3,5", "distance": 3, "cycles": 5, "basis": "X", "shots": 1000,
        "detection_fraction": 0.1, "source": DECODED, "decoder": "pymatching", "model": "m", "errors": 10,
    }  # fmt: skip
    return Result(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("folder", DISTANCE_3)
def test_published_predictions_of_distance_3_are_reproduced_shot_by_shot(
    hardware_data: Path, folder: str
) -> None:
    experiment = read_experiment(hardware_data / folder)
    decoder = decoders.from_dem("pymatching", experiment.error_model())
    predictions = decoder.decode_batch(experiment.detection_events, bit_packed=True)
    np.testing.assert_array_equal(predictions, experiment.predictions["pymatching"])
    errors = int((predictions != experiment.observable_flips).any(axis=1).sum())
    assert errors == PUBLISHED_ERRORS[folder][0]


def test_recorded_data_from_the_command_line(
    hardware_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("--json", tmp_path / "x.json", "--csv", tmp_path / "x.csv")
    code, out, _ = run(capsys, hardware_data, "--decoder", "pymatching", *files)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    document = json.loads((tmp_path / "x.json").read_text())
    counted = {(row["folder"], row["source"], row["decoder"]): row["errors"] for row in document["results"]}
    names = ("pymatching", "correlated_matching", "belief_matching", "tensor_network_contraction")
    assert len(counted) == 12 * 5
    for folder, errors in PUBLISHED_ERRORS.items():
        assert tuple(counted[folder, PUBLISHED, name] for name in names) == errors
        ours = counted[folder, DECODED, "pymatching"]
        # At distance 5 the published predictions come from a version that looked at fewer neighbours.
        assert ours == errors[0] if "_d3_" in folder else abs(ours - errors[0]) <= 0.01 * errors[0]
    by_distance = {(row["distance"], row["source"], row["decoder"]): row for row in document["by_distance"]}
    assert by_distance[3, DECODED, "pymatching"]["errors"] == 75400
    assert by_distance[3, DECODED, "pymatching"]["shots"] == 400_000
    # Nature 614, 676 (2023), tensor network, over more patches and both bases: 3.028 % and 2.914 %.
    epsilons = [by_distance[d, PUBLISHED, "tensor_network_contraction"]["epsilon"]["value"] for d in (3, 5)]
    assert epsilons == pytest.approx([0.03028, 0.02914], rel=0.05)
    with (tmp_path / "x.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["folder"], row["source"], row["decoder"]): int(row["errors"]) for row in rows} == counted


def test_without_a_path_the_sample_is_used_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    code, out, _ = run(capsys, "--verify")
    lines = out.splitlines()
    assert code == 0
    assert lines[:2] == [
        "12 experiments in the simulated sample that ships with the project",
        "error model: circuit_noisy_si1000",
    ]
    table = [line for line in lines if line.startswith(("  d3_at_q3_3/", "  d5_at_q5_5/"))]
    assert len(table) == 12
    # folder, d, cycles, basis, shots, detection fraction, errors, per cycle, two published counts
    assert all(len(line.split()) == 10 for line in table)
    assert len(set(map(len, table))) == 1


def test_a_single_folder_and_several_decoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    folder = write(tmp_path, rounds=4, predictions=True)
    code, out, _ = run(capsys, folder, "--decoder", "pymatching", "--decoder", "pymatching-correlated")
    assert code == 0
    assert out.startswith(f"1 experiment in {folder}\nerror model: circuit_noisy_si1000\n")
    assert "d3_at_q4_5/Z/r04" in out
    assert "fitted" not in out  # a single duration
    assert "A: none_with_si1000_prior" in out
    experiment = read_experiment(folder)
    flips = experiment.unpacked("observable_flips")[:, 0]
    matching = pymatching.Matching.from_detector_error_model(
        experiment.noisy_circuit.detector_error_model(decompose_errors=True)
    )
    expected = matching.decode_batch(experiment.unpacked("detection_events"))[:, 0]
    row = next(line for line in out.splitlines() if line.startswith("  d3_at_q4_5/Z/r04")).split()
    assert int(row[6]) == int((expected != flips).sum())
    assert int(row[-1]) == int(flips.sum())


def test_paths_may_be_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rounds in (4, 5):
        write(tmp_path, rounds=rounds)
    monkeypatch.chdir(tmp_path / "d3_at_q4_5" / "Z")
    for path, first in ((".", "2 experiments in ."), ("r04", "1 experiment in r04"), ("../Z", "2 exp")):
        code, out, _ = run(capsys, path)
        assert (code, out.startswith(first)) == (0, True)
        assert "\n  d3_at_q4_5/Z/r04 " in out


def test_only_the_first_shots(tmp_path: Path) -> None:
    experiment = read_experiment(write(tmp_path / "a", rounds=4, predictions=True))
    cli.main(["hardware", str(tmp_path / "a"), "--shots", "50", "--json", str(tmp_path / "x.json")])
    rows = json.loads((tmp_path / "x.json").read_text())["results"]
    assert {row["shots"] for row in rows} == {50}
    assert rows[-1]["errors"] == int(experiment.unpacked("observable_flips", shots=slice(50)).sum())
    assert rows[0]["detection_fraction"] == pytest.approx(
        experiment.unpacked("detection_events", shots=slice(50)).mean()
    )


def flat_folder(folder: Path, *, shots: int = 101) -> Experiment:
    """A folder of the 2023 layout whose second half model never predicts a flip."""
    nested = read_experiment(write(folder.parent / "nested", rounds=4, shots=shots))
    folder.mkdir()
    for name in ("circuit_ideal.stim", "detection_events.b8", "measurements.b8"):
        (folder / name).write_bytes((nested.path / name).read_bytes())
    models = {
        "pij_from_odd_for_even": nested.noisy_circuit.detector_error_model(decompose_errors=True),
        "pij_from_even_for_odd": stim.DetectorErrorModel(
            "\n".join(f"error(0.1) D{i}" for i in range(nested.num_detectors)) + "\nlogical_observable L0"
        ),
    }
    for name, model in models.items():
        model.to_file(folder / f"{name}.dem")
    models["pij_from_odd_for_even"].to_file(folder / "circuit_detector_error_model.dem")
    flips = nested.unpacked("observable_flips")[:, 0]
    (folder / "obs_flips_actual.01").write_text("".join(f"{int(flip)}\n" for flip in flips))
    (folder / "properties.yml").write_text(f"distance: 3\nrounds: 4\nbasis: Z\nshots: {shots}\n")
    return read_experiment(folder)


def test_cross_fitted_models_are_used_on_the_other_half_only(tmp_path: Path) -> None:
    experiment = flat_folder(tmp_path / "flat")
    assert command.error_models(experiment) == ["circuit_detector_error_model", "pij"]
    events, flips = experiment.unpacked("detection_events"), experiment.unpacked("observable_flips")[:, 0]
    matching = pymatching.Matching.from_detector_error_model(experiment.error_models["pij_from_odd_for_even"])
    wrong = matching.decode_batch(events)[:, 0] != flips
    expected = int(wrong[0::2].sum() + flips[1::2].sum())
    assert expected != int(wrong[1::2].sum() + flips[0::2].sum())
    cli.main(["hardware", str(tmp_path / "flat"), "--model", "pij", "--json", str(tmp_path / "x.json")])
    row = json.loads((tmp_path / "x.json").read_text())["results"][0]
    assert (row["errors"], row["model"]) == (expected, "pij")


def test_a_model_that_is_not_there_lists_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat_folder(tmp_path / "flat")
    code, out, err = run(capsys, tmp_path / "flat", "--model", "pij_from_odd_for_even")
    assert (code, out) == (2, "")
    assert "no error model 'pij_from_odd_for_even': choose from circuit_detector_error_model, pij\n" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing: no such folder"),
        (["."], "no experiment in it (a folder with properties.yml or metadata.json and shots)"),
        (["--decoder", "guess"], "no decoder is named 'guess': choose from mwpm"),
        (["--shots", "0"], "--shots: 0: must be at least 1"),
        (["--fit_from", "0"], "--fit_from: 0: must be at least 1"),
        (["--json", "no/x.json"], "--json: no/x.json: no folder no"),
        (["--csv", "."], "--csv: .: is a folder"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("qec hardware: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (ValueError("broken"), 2)])
def test_what_was_done_before_a_stop_is_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stop: BaseException,
    code: int,
) -> None:
    for rounds in (2, 3, 4):
        write(tmp_path / "tree", rounds=rounds)

    def read(path: Path) -> Experiment:
        if path.name == "r04":
            raise stop
        return read_experiment(path)

    monkeypatch.setattr(command, "read_experiment", read)
    files = [tmp_path / "x.json", tmp_path / "x.csv"]
    found, out, err = run(capsys, tmp_path / "tree", "--json", files[0], "--csv", files[1])
    assert (found, out) == (code, "")
    assert "kept the results of 2 of 3 experiments" in err
    document = json.loads(files[0].read_text())
    assert [row["cycles"] for row in document["results"]] == [2, 3]
    assert len(document["fits"]) == 1
    assert len(files[1].read_text().splitlines()) == 3
    assert not list(tmp_path.glob("*.partial"))


def test_verify_stops_at_a_folder_that_contradicts_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path, rounds=4)
    content = bytearray((folder / "detection_events.b8").read_bytes())
    content[0] ^= 1
    (folder / "detection_events.b8").write_bytes(content)
    assert run(capsys, folder)[0] == 0
    code, _, err = run(capsys, folder, "--verify")
    assert code == 2
    assert "detection events differ from those of the measurements in 1 of 300 shots, first in shot 0" in err


def test_an_experiment_without_shots_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, rounds=4, shots=0)
    code, _, err = run(capsys, tmp_path)
    assert (code, err) == (2, f"qec hardware: {folder}: no shots\n")


def test_fits_find_a_known_error_per_cycle() -> None:
    shots, epsilon = 10_000_000, 0.01
    results = [
        result(cycles=cycles, shots=shots, errors=round(shots * per_shot(epsilon=epsilon, cycles=cycles)))
        for cycles in (5, 10, 20)
    ]
    spoiled = result(cycles=1, shots=shots, errors=shots // 3)
    other = result(cycles=5, patch="7,5")
    [fit] = fits([*results, spoiled, other], fit_from=2)
    assert (fit.patch, fit.cycles) == ("3,5", (5, 10, 20))
    assert fit.cycle_fit.epsilon.value == pytest.approx(epsilon, rel=1e-3)
    [spoiled_fit] = fits([*results, spoiled], fit_from=1)
    assert spoiled_fit.cycles == (1, 5, 10, 20)
    assert abs(spoiled_fit.cycle_fit.epsilon.value - epsilon) > 0.1 * epsilon


def test_totals_and_lambda() -> None:
    shots = 10_000_000
    results = [
        result(
            distance=distance,
            patch=f"{distance},{patch}",
            cycles=cycles,
            shots=shots,
            errors=round(shots * per_shot(epsilon=epsilon * scale, cycles=cycles)),
        )
        for distance, epsilon in ((3, 0.008), (5, 0.004))
        for patch, scale in ((0, 0.5), (1, 1.5))
        for cycles in (5, 25)
    ]
    small, large = totals(results, fits(results, fit_from=2))
    assert (small.distance, small.experiments, small.num_fits, small.shots) == (3, 4, 2, 4 * shots)
    assert small.errors == sum(r.errors for r in results if r.distance == 3)
    assert small.epsilon is not None
    assert large.epsilon is not None
    assert small.epsilon.value == pytest.approx(0.008, rel=1e-3)
    assert large.epsilon.value == pytest.approx(0.004, rel=1e-3)
    [fit] = suppression([small, large]).values()
    assert fit.value.value == pytest.approx(2.0, rel=2e-3)
    assert not suppression([small])


def test_patches_of_different_samples_stay_apart(tmp_path: Path) -> None:
    folders = [write(tmp_path / sample, rounds=rounds) for sample in ("s1", "s2") for rounds in (2, 3)]
    names = [patch_name(read_experiment(folder), root=tmp_path) for folder in folders]
    assert names == ["s1 4,5", "s1 4,5", "s2 4,5", "s2 4,5"]
    assert release_folder(Path("data/surface_code_bX_d3_r01_center_3_5")) == Path("data")
    assert release_folder(Path("data/d3_at_q4_5/X/r10")) == Path("data")
    assert release_folder(Path("data/X/sample_00")) == Path("data/X")


@pytest.mark.parametrize(("num_decoded", "num_published"), [(1, 0), (1, 9), (4, 5), (2, 30)])
@pytest.mark.parametrize(
    "folder",
    ["d{d}_at_q4_5/X/r{c:02d}", "a_folder_with_quite_a_long_name_{d}/and_another_in_it_d{d}_r{c:02d}"],
)
def test_the_report_fits_the_screen(num_published: int, num_decoded: int, folder: str) -> None:
    results = [
        result(
            folder=folder.format(d=d, c=cycles),
            distance=d,
            cycles=cycles,
            shots=1_000_000,
            errors=round(1e6 * per_shot(epsilon=0.02 / d, cycles=cycles)),
            source=source,
            decoder=f"correlated_matching_decoder_number_{i}_with_rl_optimized_prior",
        )
        for d in (3, 11)
        for cycles in (10, 250, *range(30, 130, 20))
        for source, number in ((DECODED, num_decoded), (PUBLISHED, num_published))
        for i in range(number)
    ]
    fitted = fits(results, fit_from=2)
    text = report(results, fitted, totals(results, fitted))
    assert max(map(len, text.splitlines())) <= 80
    assert all(text.count(f" {r.errors}") >= num_decoded + num_published for r in results)


def test_missing_numbers_are_dashes_and_null(tmp_path: Path) -> None:
    results = [
        result(folder="a", detection_fraction=float("nan")),
        result(folder="a", source=PUBLISHED, decoder="libra"),
        result(folder="b"),
    ]
    row = next(line for line in report(results, [], totals(results, [])).splitlines() if line[:4] == "  b ")
    assert row.split()[-1] == "-"
    command._write(argparse.Namespace(json=str(tmp_path / "x.json"), csv=None, fit_from=2), results)
    assert json.loads((tmp_path / "x.json").read_text())["results"][0]["detection_fraction"] is None


def test_the_shipped_sample_is_small() -> None:
    sizes = [file.stat().st_size for file in data_path("samples").rglob("*") if file.is_file()]
    assert sum(sizes) < 1_000_000


def test_the_same_cycles_in_two_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path, rounds=2)
    other = folder.with_name("r2")
    other.mkdir()
    for file in folder.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    code, _, error = run(capsys, tmp_path)
    assert code == 2
    assert "r02 and " in error
    assert "hold the same shots, which would count twice" in error
    events = other / "detection_events.b8"
    events.write_bytes(bytes(events.stat().st_size))
    code, out, error = run(capsys, tmp_path)
    assert code == 0
    assert "2 experiments" in out
    assert "counted as two runs" in error


def test_several_paths_count_each_experiment_once(tmp_path: Path) -> None:
    release = next(data_path("samples").iterdir())
    patch = release / "d3_at_q3_3"
    assert len(command._folders([patch / "X", patch, release / "d5_at_q5_5" / "Z"])) == 9
    with pytest.raises(ValueError, match=f"{tmp_path}: no experiment in it"):
        command._folders([patch, tmp_path])


def test_figure_has_published_and_own_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = next(data_path("samples").iterdir())
    out = tmp_path / "hardware.svg"
    arguments = ["--shots", "200", "--decoder", "pymatching", "--out", str(out)]
    assert cli.main(["hardware", *map(str, release.glob("d*/X")), *arguments]) == 0
    assert f"Figure: {out}" in capsys.readouterr().out
    assert out.read_bytes().startswith(b"<?xml")
    assert cli.main(["hardware", str(release / "d3_at_q3_3" / "X" / "r05"), *arguments]) == 0
    assert "No figure: it needs memories of several durations" in capsys.readouterr().out
