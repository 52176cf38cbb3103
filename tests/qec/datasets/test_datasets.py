"""Experiment folders: written, read back, damaged; and the recorded ones."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from qec.datasets import (
    Experiment,
    experiment_folder,
    find_experiments,
    read_experiment,
    unpack,
    write_experiment,
)

METADATA = {"distance": 3, "rounds": 4, "basis": "X"}


def small_circuit(*, num_detectors: int, num_observables: int, num_sweep_bits: int) -> stim.Circuit:
    """Detector i and observable i are both measurement i, which sweep bit i flips."""
    num_qubits = max(num_detectors, num_observables, num_sweep_bits, 1)
    lines = [f"CX sweep[{i}] {i}" for i in range(num_sweep_bits)]
    lines += [f"M {i}" for i in range(num_qubits)]
    lines += [f"DETECTOR({i}, 0, 0) rec[{i - num_qubits}]" for i in range(num_detectors)]
    lines += [f"OBSERVABLE_INCLUDE({i}) rec[{i - num_qubits}]" for i in range(num_observables)]
    return stim.Circuit("\n".join(lines))


def generated(*, distance: int = 3, rounds: int = 4, p: float = 0.01) -> tuple[stim.Circuit, stim.Circuit]:
    noisy = stim.Circuit.generated(
        "surface_code:rotated_memory_x",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_measure_flip_probability=p,
    )
    return noisy.without_noise(), noisy


def write_small(folder: Path, *, shots: int = 20) -> Path:
    """A folder of the 2024 layout with every kind of file in it."""
    clean, noisy = generated()
    model = noisy.detector_error_model(decompose_errors=True)
    measurements = noisy.compile_sampler(seed=5).sample(shots)
    return write_experiment(
        folder,
        metadata=METADATA,
        circuit=clean,
        noisy_circuit=noisy,
        measurements=measurements,
        sweep_bits=np.zeros((shots, 0), dtype=np.bool_),
        error_models={"correlated_matching_decoder_with_si1000_prior": model},
        predictions={"correlated_matching_decoder_with_si1000_prior": np.zeros((shots, 1), dtype=np.bool_)},
    )


def write_flat(folder: Path, *, shots: int = 20) -> Path:
    """A folder of the 2023 layout, written by stim and by hand."""
    clean, noisy = generated()
    folder.mkdir(parents=True)
    clean.to_file(folder / "circuit_ideal.stim")
    noisy.to_file(folder / "circuit_noisy.stim")
    model = noisy.detector_error_model(decompose_errors=True)
    for name in ("circuit_detector_error_model", "pij_from_even_for_odd", "pij_from_odd_for_even"):
        model.to_file(folder / f"{name}.dem")
    measurements = noisy.compile_sampler(seed=5).sample(shots)
    events, flips = clean.compile_m2d_converter().convert(
        measurements=measurements, separate_observables=True
    )
    for name, bits in (("measurements.b8", measurements), ("detection_events.b8", events)):
        stim.write_shot_data_file(
            data=bits, path=str(folder / name), format="b8", num_measurements=bits.shape[1]
        )
    (folder / "sweep.b8").touch()
    for name in ("actual", "predicted_by_pymatching"):
        text = "".join(f"{int(flip)}\n" for flip in flips[:, 0])
        (folder / f"obs_flips_{name}.01").write_text(text)
    (folder / "properties.yml").write_text(
        f"type: surface_code_memory_experiment\nbasis: X\nrounds: 4\ndistance: 3\nshots: {shots}\n"
        "center_data_qubit_row: 3\ncenter_data_qubit_col: 5\n"
        f"circuit_measurements: {clean.num_measurements}\ncircuit_detectors: {clean.num_detectors}\n"
    )
    return folder


@settings(max_examples=60)
@given(data=st.data())
def test_write_then_read_gives_everything_back(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shots = data.draw(st.integers(0, 30), label="shots")
    numbers = {
        name: data.draw(st.integers(0, 20), label=name)
        for name in ("num_detectors", "num_observables", "num_sweep_bits")
    }
    circuit = small_circuit(**numbers)
    random = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    measurements = random.random((shots, circuit.num_measurements)) < 0.5
    sweep_bits = random.random((shots, numbers["num_sweep_bits"])) < 0.5
    prediction = random.random((shots, numbers["num_observables"])) < 0.5
    folder = write_experiment(
        tmp_path_factory.mktemp("x") / "folder",
        metadata={"distance": 1, "rounds": 1, "basis": "z", "note": "ü"},
        circuit=circuit,
        measurements=measurements,
        sweep_bits=sweep_bits,
        predictions={"guess": prediction},
    )
    experiment = read_experiment(folder)
    flipped = measurements.copy()
    flipped[:, : numbers["num_sweep_bits"]] ^= sweep_bits
    assert (experiment.layout, experiment.shots, experiment.metadata.basis) == ("2024", shots, "Z")
    assert experiment.metadata.fields["note"] == "ü"
    assert experiment.circuit == circuit
    np.testing.assert_array_equal(experiment.unpacked("measurements"), measurements)
    np.testing.assert_array_equal(experiment.unpacked("sweep_bits"), sweep_bits)
    np.testing.assert_array_equal(
        experiment.unpacked("detection_events"), flipped[:, : numbers["num_detectors"]]
    )
    np.testing.assert_array_equal(
        experiment.unpacked("observable_flips"), flipped[:, : numbers["num_observables"]]
    )
    np.testing.assert_array_equal(
        unpack(experiment.predictions["guess"], num_bits=numbers["num_observables"]), prediction
    )
    experiment.verify()


def test_every_file_of_the_layout_is_written(tmp_path: Path) -> None:
    folder = write_small(experiment_folder(tmp_path, distance=3, center=(4, 5), basis="x", rounds=4))
    assert folder == tmp_path / "d3_at_q4_5" / "X" / "r04"
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    decoder = "decoding_results/correlated_matching_decoder_with_si1000_prior"
    assert files == {
        "circuit_ideal.stim",
        "circuit_noisy_si1000.stim",
        "measurements.b8",
        "sweep_bits.b8",
        "detection_events.b8",
        "obs_flips_actual.b8",
        "metadata.json",
        f"{decoder}/error_model.dem",
        f"{decoder}/obs_flips_predicted.b8",
    }


def test_packed_arrays_may_be_written_too(tmp_path: Path) -> None:
    first = read_experiment(write_small(tmp_path / "a"))
    write_experiment(
        tmp_path / "b",
        metadata=first.metadata.fields,
        circuit=first.circuit,
        detection_events=first.detection_events,
        observable_flips=first.observable_flips,
    )
    second = read_experiment(tmp_path / "b")
    np.testing.assert_array_equal(second.detection_events, first.detection_events)
    assert second.metadata == first.metadata
    with pytest.raises(FileNotFoundError, match=r"measurements\.b8: no such file"):
        second.verify()
    assert not second.predictions
    with pytest.raises(FileNotFoundError, match=r"no circuit_noisy\*\.stim"):
        _ = second.default_model


def test_both_layouts_read_alike(tmp_path: Path) -> None:
    nested, flat = read_experiment(write_small(tmp_path / "a")), read_experiment(write_flat(tmp_path / "b"))
    assert (nested.layout, flat.layout) == ("2024", "2023")
    assert flat.metadata.center == (3.0, 5.0)
    for name in ("detection_events", "observable_flips", "measurements", "sweep_bits"):
        np.testing.assert_array_equal(getattr(flat, name), getattr(nested, name))
    assert nested.default_model == "correlated_matching_decoder_with_si1000_prior"
    assert flat.default_model == "circuit_detector_error_model"
    assert list(flat.predictions) == ["pymatching"]
    assert flat.noisy_circuit == nested.noisy_circuit
    assert flat.error_model() == nested.error_model()
    for experiment, derived in ((nested, "circuit_noisy_si1000"), (flat, "circuit_noisy")):
        assert experiment.error_model(derived).approx_equals(experiment.error_model(), atol=1e-12)
        experiment.verify()
    again: Experiment = pickle.loads(pickle.dumps(flat))
    np.testing.assert_array_equal(again.detection_events, flat.detection_events)


@pytest.mark.parametrize(
    ("names", "default"),
    [
        (["harmony_with_si1000_prior", "libra_with_rl_optimized_prior"], "harmony_with_si1000_prior"),
        (["a_with_rl_optimized_prior", "b_with_some_prior"], "a_with_rl_optimized_prior"),
        (["belief_with_x_prior", "correlated_matching_with_x_prior"], "correlated_matching_with_x_prior"),
        ([], "circuit_noisy_si1000"),
    ],
)
def test_which_model_of_several_is_the_default(tmp_path: Path, names: list[str], default: str) -> None:
    clean, noisy = generated()
    write_experiment(
        tmp_path / "x",
        metadata=METADATA,
        circuit=clean,
        noisy_circuit=noisy,
        measurements=np.zeros((1, clean.num_measurements), dtype=np.bool_),
        error_models=dict.fromkeys(names, stim.DetectorErrorModel()),
    )
    assert read_experiment(tmp_path / "x").default_model == default


def test_a_model_that_is_not_there_or_does_not_fit(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "x")
    experiment = read_experiment(folder)
    names = "correlated_matching_decoder_with_si1000_prior, circuit_noisy_si1000"
    with pytest.raises(ValueError, match=f"no error model 'guess'; it has {names}$"):
        experiment.error_model("guess")
    model = folder / "decoding_results/correlated_matching_decoder_with_si1000_prior/error_model.dem"
    model.write_text("error(0.1) D0 D1 L0\n")
    experiment = read_experiment(folder)  # models are read when used
    with pytest.raises(
        ValueError, match=r"error_model\.dem: 2 detectors and 1 observables, but the .* 32 and 1"
    ):
        experiment.error_model()
    model.write_text("what\nis this\n")
    with pytest.raises(ValueError, match=r"error_model\.dem: \S") as caught:
        experiment.error_model()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("writer", [write_small, write_flat])
def test_a_missing_file_is_named(tmp_path: Path, writer: object) -> None:
    folder = writer(tmp_path / "x")  # type: ignore[operator]
    for file in [file for file in folder.iterdir() if file.is_file()]:
        content = file.read_bytes()
        file.unlink()
        if file.name.startswith(("circuit_noisy", "pij", "obs_flips_predicted", "circuit_detector", "sweep")):
            read_experiment(folder)
        elif file.name == "measurements.b8":
            experiment = read_experiment(folder)
            with pytest.raises(FileNotFoundError, match=r"measurements\.b8: no such file"):
                experiment.verify()
        else:
            with pytest.raises(FileNotFoundError, match=file.name.replace(".", r"\.")):
                read_experiment(folder)
        file.write_bytes(content)
    read_experiment(folder)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        read_experiment(tmp_path / "nothing")


@settings(max_examples=60)
@given(data=st.data())
def test_a_cut_file_is_named(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("x")
    folder = data.draw(st.sampled_from([write_small, write_flat]))(root / "x", shots=9)
    files = sorted(
        file for file in folder.rglob("*") if file.suffix in (".b8", ".01", ".json") and file.stat().st_size
    )
    file = data.draw(st.sampled_from(files))
    content = file.read_bytes().rstrip(b"\n" if file.suffix == ".json" else b"")
    file.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ValueError, match=file.name.replace(".", r"\.")) as caught:
        read_experiment(folder)
    assert "\n" not in str(caught.value)


def test_a_circuit_of_another_experiment_shows(tmp_path: Path) -> None:
    folder = write_flat(tmp_path / "x")
    generated(rounds=5)[0].to_file(folder / "circuit_ideal.stim")
    with pytest.raises(
        ValueError, match=r"properties\.yml: 'circuit_measurements' is 41, but circuit_ideal\.stim has 49"
    ):
        read_experiment(folder)
    nested = write_small(tmp_path / "y")
    generated(rounds=5)[0].to_file(nested / "circuit_ideal.stim")
    with pytest.raises(ValueError, match=r"metadata\.json: 'rounds' is 4, but circuit_ideal\.stim has 5"):
        read_experiment(nested)
    (nested / "circuit_ideal.stim").write_text("M 0\nWHAT 1\n")
    with pytest.raises(ValueError, match=r"circuit_ideal\.stim: \S") as caught:
        read_experiment(nested)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "what"), [("detection_events", "detection events"), ("obs_flips_actual", "observable flips")]
)
def test_verify_finds_changed_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    monkeypatch.setattr("qec.datasets.experiment._CHUNK", 4)
    folder = write_small(tmp_path / "x")
    file = folder / f"{name}.b8"
    content = bytearray(file.read_bytes())
    width = len(content) // 20
    content[7 * width] ^= 1
    content[11 * width] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"{what} differ .* in 2 of 20 shots, first in shot 7$"):
        read_experiment(folder).verify()


def test_bits_beyond_the_last_observable_are_not_counted_as_flips(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "x")
    file = folder / "obs_flips_actual.b8"
    content = bytearray(file.read_bytes())
    content[3] |= 0x80
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"obs_flips_actual\.b8: shot 3 has bits set beyond its 1 bits"):
        read_experiment(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"measurements": np.zeros((3, 40), dtype=np.bool_)}, r"measurements: bool of shape \(3, 40\)"),
        ({"predictions": {"x": np.zeros((4, 1), dtype=np.bool_)}}, "of 'x': 4 shots, but .* has 3"),
        ({"predictions": {"a/b": np.zeros((3, 1), dtype=np.bool_)}}, "'a/b' cannot be the name of a folder"),
        ({"measurements": None}, "detection_events: missing; give it or the measurements"),
        ({"metadata": {"distance": 3, "rounds": 4}}, "'basis' is None"),
        ({"metadata": {**METADATA, "shots": 9}}, "'shots' is 9, but the arrays have 3"),
        ({"metadata": {**METADATA, "note": {1}}}, "metadata: .*set"),
    ],
)  # fmt: skip
def test_what_write_refuses(tmp_path: Path, change: dict[str, object], message: str) -> None:
    circuit = generated()[0]
    arguments: dict[str, object] = {
        "metadata": METADATA,
        "circuit": circuit,
        "measurements": np.zeros((3, circuit.num_measurements), dtype=np.bool_),
    }
    with pytest.raises(ValueError, match=message):
        write_experiment(tmp_path / "x", **(arguments | change))  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


def test_write_needs_sweep_bits_and_does_not_overwrite(tmp_path: Path) -> None:
    circuit = small_circuit(num_detectors=2, num_observables=1, num_sweep_bits=2)
    measurements = np.zeros((3, 2), dtype=np.bool_)
    metadata = {"distance": 1, "rounds": 1, "basis": "Z"}
    with pytest.raises(ValueError, match="sweep_bits: missing, but the circuit uses 2"):
        write_experiment(tmp_path / "x", metadata=metadata, circuit=circuit, measurements=measurements)
    with pytest.raises(ValueError, match=r"already holds metadata\.json"):
        write_experiment(write_small(tmp_path / "y"), metadata={}, circuit=circuit)


def test_find_experiments(tmp_path: Path) -> None:
    names = ["d3_at_q4_5/X/r05", "d3_at_q4_5/X/r10", "d3_at_q4_5/X/r110", "d3_at_q10_7/Z/r05", "other"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_small(tmp_path / "new", shots=1).rename(tmp_path / name)
    (tmp_path / "README").mkdir()
    (tmp_path / "README" / "metadata.json").write_text("{}")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "detection_events.b8").touch()
    (tmp_path / "other" / "decoding_results" / "x").mkdir()
    (tmp_path / "other" / "decoding_results" / "x" / "detection_events.b8").touch()
    found = find_experiments(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["broken", *names]
    assert find_experiments(tmp_path / "other") == [tmp_path / "other"]
    assert find_experiments(tmp_path / "README") == []
    with pytest.raises(FileNotFoundError, match="nothing: no such folder"):
        find_experiments(tmp_path / "nothing")


def test_text_files_with_windows_line_ends(tmp_path: Path) -> None:
    expected = read_experiment(write_flat(tmp_path / "unix"))
    folder = write_flat(tmp_path / "windows")
    for file in [*folder.glob("*.stim"), *folder.glob("*.dem"), *folder.glob("*.01"), *folder.glob("*.yml")]:
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    experiment = read_experiment(folder)
    experiment.verify()
    assert experiment.metadata == expected.metadata
    assert experiment.error_model() == expected.error_model()
    assert experiment.noisy_circuit == expected.noisy_circuit
    np.testing.assert_array_equal(experiment.predictions["pymatching"], expected.predictions["pymatching"])


def test_names_that_differ_in_leading_zeros_have_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["r01", "r1", "r02", "r10"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "detection_events.b8").touch()
    walked = [(str(tmp_path / name), [], ["detection_events.b8"]) for name in names]
    for order in (walked, walked[::-1]):
        monkeypatch.setattr("qec.datasets.reading.os.walk", lambda _, order=order: iter(order))
        assert [path.name for path in find_experiments(tmp_path)] == names


def test_recorded_experiments_agree_with_themselves(hardware_data: Path) -> None:
    folders = find_experiments(hardware_data)
    assert len(folders) == 12
    published = {"belief_matching", "correlated_matching", "pymatching", "tensor_network_contraction"}
    for folder in folders:
        experiment = read_experiment(folder)
        experiment.verify()
        metadata = experiment.metadata
        assert folder.name.startswith(f"surface_code_bX_d{metadata.distance}_r{metadata.rounds:02d}_center_")
        assert (metadata.shots, metadata.basis) == (50_000, "X")
        assert set(experiment.predictions) == published
        assert isinstance(experiment.detection_events, np.memmap)
        num_detectors = (metadata.distance**2 - 1) * metadata.rounds
        for name in experiment.error_models:
            assert experiment.error_model(name).num_detectors == num_detectors


@pytest.mark.parametrize(
    ("folder", "fraction", "errors"),
    [
        ("surface_code_bX_d3_r01_center_3_5", 0.0673, (794, 792, 811, 804)),
        ("surface_code_bX_d3_r13_center_7_5", 0.1322, (16120, 15096, 13781, 13566)),
        ("surface_code_bX_d5_r09_center_5_5", 0.1491, (13021, 11304, 10159, 9604)),
    ],
)
def test_recorded_numbers(
    hardware_data: Path, folder: str, fraction: float, errors: tuple[int, int, int, int]
) -> None:
    experiment = read_experiment(hardware_data / folder)
    assert experiment.unpacked("detection_events").mean() == pytest.approx(fraction, abs=5e-5)
    names = ("pymatching", "correlated_matching", "belief_matching", "tensor_network_contraction")
    actual = experiment.unpacked("observable_flips")
    for name, expected in zip(names, errors, strict=True):
        predicted = unpack(experiment.predictions[name], num_bits=1)
        assert int((predicted != actual).sum()) == expected
