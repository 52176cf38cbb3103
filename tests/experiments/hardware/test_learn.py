"""`qec learn` and `qec hardware --learn`: files and reports, which shots are learned from, wrong use."""

import json
from pathlib import Path

import numpy as np
import pytest
import stim

import qec
from experiments import cli
from experiments.hardware import command
from qec import noise, priors
from qec.datasets import Experiment, experiment_folder, read_experiment, write_experiment

SHOTS = 2001


def memory(p: float) -> stim.Circuit:
    return qec.memory_circuit(qec.RotatedSurfaceCode(3), rounds=2, basis="z", noise=noise.si1000(p))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment whose shots have more noise than its circuit says."""
    return write_experiment(
        experiment_folder(
            tmp_path_factory.mktemp("recorded"), distance=3, center=(4, 5), basis="Z", rounds=2
        ),
        metadata={"distance": 3, "rounds": 2, "basis": "Z", "data_qubit_coords": [[4, 5]]},
        circuit=memory(0.001).without_noise(),
        noisy_circuit=memory(0.001),
        measurements=memory(0.01).compile_sampler(seed=4).sample(SHOTS),
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    done = capsys.readouterr()
    return code, done.out, done.err


def learned(experiment: Experiment, shots: slice) -> stim.DetectorErrorModel:
    return priors.learn_error_model(
        detection_events=experiment.detection_events[shots],
        error_model=experiment.error_model(),
        coordinates=experiment.circuit.get_detector_coordinates(),
    ).error_model


def test_a_folder_becomes_a_model_and_a_report(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out_file = tmp_path / "learned.dem"
    code, out, _ = run(capsys, "learn", folder, "--out", out_file)
    assert code == 0
    assert out.startswith(f"learned from {SHOTS} shots (all shots), starting from circuit_noisy_si1000: ")
    assert stim.DetectorErrorModel.from_file(out_file) == learned(read_experiment(folder), slice(None))
    [every] = [line.split() for line in out.splitlines() if line.split()[:1] == ["any"]]
    assert 3 < float(every[-1]) < 15  # the ratio of the rates is about ten
    [fraction] = [line.split() for line in out.splitlines() if "detection fraction" in line]
    before, after, observed = map(float, fraction[-3:])
    assert before < 0.3 * observed
    assert after == pytest.approx(observed, rel=0.05)
    [chi] = [line.split() for line in out.splitlines() if "chi square" in line]
    assert float(chi[-3]) > 10 * float(chi[-2])
    assert "spreads chosen by it" in out


def test_halves_are_two_models_for_the_other_shots(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "learn", folder, "--halves", "--out", tmp_path / "m.dem")
    assert code == 0
    experiment = read_experiment(folder)
    for name, shots in (("odd_for_even", slice(1, None, 2)), ("even_for_odd", slice(0, None, 2))):
        found = stim.DetectorErrorModel.from_file(tmp_path / f"m_from_{name}.dem")
        assert found == learned(experiment, shots)
        assert f"m_from_{name}.dem" in out
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("format", ["b8", "01", "dets"])
def test_a_file_of_shots_becomes_the_same_model(
    format: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = read_experiment(folder)
    events = experiment.unpacked("detection_events")
    flips = experiment.unpacked("observable_flips")
    shots = tmp_path / f"shots.{format}"
    stim.write_shot_data_file(
        data=np.hstack([events, flips]),
        path=shots,
        format=format,
        num_detectors=events.shape[1],
        num_observables=flips.shape[1],
    )
    start = tmp_path / "start.dem"
    experiment.error_model().to_file(start)
    arguments = ["learn", shots, "--start", start, "--in_includes_appended_observables"]
    code, out, _ = run(capsys, *arguments, "--out", tmp_path / "x.dem", "--shots", 600)
    assert code == 0
    assert out.startswith("learned from 600 shots")
    assert stim.DetectorErrorModel.from_file(tmp_path / "x.dem") == learned(experiment, slice(600))
    code, _, err = run(capsys, *arguments[:-1])
    assert code == 2
    assert err.count("\n") == 1


def test_hardware_decodes_each_shot_with_a_model_that_did_not_see_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        capsys, "hardware", folder, "--learn", "--decoder", "pymatching", "--json", tmp_path / "x.json"
    )
    assert code == 0
    assert "error model: circuit_noisy_si1000 + learned" in out
    [row] = json.loads((tmp_path / "x.json").read_text())["results"]
    experiment = read_experiment(folder)
    parts = command.learned_parts(experiment, [(experiment.error_model(), slice(None))], shots=SHOTS)
    assert [part for _, part in parts] == [slice(0, None, 2), slice(1, None, 2)]
    assert parts[0][0] == learned(experiment, slice(1, None, 2))
    assert parts[1][0] == learned(experiment, slice(0, None, 2))
    errors = [command._decoding_errors(experiment, "pymatching", [part], SHOTS) for part in parts]
    assert row["errors"] == sum(errors) > 0


def test_learning_does_not_look_at_observables(folder: Path, tmp_path: Path) -> None:
    experiment = read_experiment(folder)
    other = write_experiment(
        tmp_path / "other",
        metadata={"distance": 3, "rounds": 2, "basis": "Z"},
        circuit=experiment.circuit,
        noisy_circuit=experiment.noisy_circuit,
        detection_events=experiment.detection_events,
        observable_flips=experiment.observable_flips ^ np.uint8(1),
    )
    models = [
        command.learned_parts(found, [(found.error_model(), slice(None))], shots=500)
        for found in (experiment, read_experiment(other))
    ]
    assert models[0] == models[1]


def test_models_that_saw_half_of_the_shots_start_the_right_half(folder: Path) -> None:
    experiment = read_experiment(folder)
    models = [memory(p).detector_error_model(decompose_errors=True) for p in (0.002, 0.02)]
    parts = [(models[0], slice(0, None, 2)), (models[1], slice(1, None, 2))]
    both = command.learned_parts(experiment, parts, shots=400)
    first = command.learned_parts(experiment, [(models[0], slice(None))], shots=400)
    second = command.learned_parts(experiment, [(models[1], slice(None))], shots=400)
    assert both == [first[0], second[1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing: no such file or folder"),
        (["."], ".: 0 experiments in it, expected the folder of one"),
        ([".", "--start", "m.dem"], "--start is for a file of shots, but . is not one"),
        (["shots.b8"], "shots.b8 is a file of shots: give --start, the .dem or noisy .stim to start from"),
        (["shots.b8", "--model", "x"], "--model is for a folder, but shots.b8 is not one"),
        (["shots.b8", "--start", "no.dem"], "no.dem: no such file"),
        (["shots.b8", "--start", "m.dem"], "shots.b8: no shots"),
        (["shots.x", "--start", "m.dem"], "the format of 'shots.x' cannot be told"),
        (["shots.b8", "--start", "m.dem", "--shots", "0"], "--shots: 0: must be at least 1"),
        (["shots.b8", "--start", "m.dem", "--out", "no/x.dem"], "--out: no/x.dem: no folder no"),
        (
            ["shots.b8", "--start", "m.dem", "--out", "x.txt"],
            "--out: x.txt: must end in .dem",
        ),
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
    (tmp_path / "shots.b8").touch()
    (tmp_path / "shots.x").touch()
    (tmp_path / "m.dem").write_text("error(0.1) D0 L0\n")
    code, out, err = run(capsys, "learn", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("qec learn: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_unknown_model_and_shots_that_are_too_few(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "learn", folder, "--model", "best")
    assert (code, "no error model 'best'; it has circuit_noisy_si1000" in err) == (2, True)
    code, _, err = run(capsys, "hardware", folder, "--learn", "--shots", 3)
    assert code == 2
    assert "1 shots in 2 folds" in err
    assert err.count("\n") == 1


@pytest.mark.nightly
def test_recorded_experiments(
    hardware_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = hardware_data / "surface_code_bX_d5_r05_center_5_5"
    errors = {}
    for flag in ([], ["--learn"]):
        arguments = ["--decoder", "pymatching", "--shots", 20_000, "--json", tmp_path / "x.json"]
        assert run(capsys, "hardware", path, *arguments, *flag)[0] == 0
        row, *published = json.loads((tmp_path / "x.json").read_text())["results"]
        errors[bool(flag)] = row["errors"]
    assert errors[True] < errors[False]
    [same] = [row["errors"] for row in published if row["decoder"] == "pymatching"]
    assert errors[True] < 1.01 * same  # their rates were learned as well
