"""Decoders used by sinter."""

import pickle
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import sinter
import stim

import decoders
from decoders.sinter_adapter import sinter_decoder

WITH_GAPS = decoders.with_gaps()


def circuit(p: float = 0.08) -> stim.Circuit:
    return stim.Circuit.generated(
        "repetition_code:memory",
        distance=5,
        rounds=4,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
    )


def test_there_is_one_for_every_name() -> None:
    made = decoders.sinter_decoders()
    assert list(made) == decoders.names()
    assert all(isinstance(decoder, sinter.Decoder) for decoder in made.values())


@pytest.mark.parametrize("name", decoders.names())
def test_pickled_and_compiled_it_predicts_the_same(name: str) -> None:
    dem = circuit().detector_error_model(decompose_errors=True)
    decoder = pickle.loads(pickle.dumps(decoders.sinter_decoders()[name]))
    compiled = decoder.compile_decoder_for_dem(dem=dem)
    events, _, _ = dem.compile_sampler(seed=3).sample(200, bit_packed=True)
    answer = compiled.decode_shots_bit_packed(bit_packed_detection_event_data=events)
    assert answer.dtype == np.uint8
    assert answer.shape == (200, 1)
    assert answer.any()
    assert np.array_equal(answer, decoders.from_dem(name, dem).decode_batch(events, bit_packed=True))


@pytest.mark.parametrize("name", ["pymatching", "pymatching-correlated"])
def test_names_that_sinter_has_too_predict_the_same(name: str) -> None:
    dem = stim.Circuit.generated(
        "surface_code:rotated_memory_z", distance=3, rounds=3, after_clifford_depolarization=0.02
    ).detector_error_model(decompose_errors=True)
    events, _, _ = dem.compile_sampler(seed=4).sample(2000, bit_packed=True)
    answers = [
        decoder.compile_decoder_for_dem(dem=dem).decode_shots_bit_packed(
            bit_packed_detection_event_data=events
        )
        for decoder in (decoders.sinter_decoders()[name], sinter.BUILT_IN_DECODERS[name])
    ]
    assert np.array_equal(*answers)


def test_collect_uses_ours_under_such_a_name() -> None:
    # PyMatching inside sinter would leave the hyperedge out; ours refuses it.
    hyperedge = stim.Circuit(
        "X_ERROR(0.1) 0 1 2 3\nM 0 1 2 3\n"
        "DETECTOR rec[-4] rec[-3]\nDETECTOR rec[-4] rec[-2]\nDETECTOR rec[-4] rec[-1]"
    )
    task = sinter.Task(
        circuit=hyperedge, detector_error_model=hyperedge.detector_error_model(), decoder="pymatching"
    )
    sinter.collect(num_workers=1, tasks=[task], max_shots=10)
    with pytest.raises(RuntimeError, match="decompose_errors=True"):
        sinter.collect(num_workers=1, tasks=[task], max_shots=10, custom_decoders=decoders.sinter_decoders())


def test_collect_with_errors_that_are_no_edges() -> None:
    circuit = stim.Circuit.generated(
        "color_code:memory_xyz", distance=3, rounds=2, after_clifford_depolarization=0.01
    )
    task = sinter.Task(
        circuit=circuit, detector_error_model=circuit.detector_error_model(), decoder="trellis"
    )
    (row,) = sinter.collect(
        num_workers=1, tasks=[task], max_shots=2000, custom_decoders=decoders.sinter_decoders()
    )
    assert row.shots == 2000
    assert 0 < row.errors < 200


def test_collect_in_processes() -> None:
    tasks = [
        sinter.Task(circuit=circuit(), decoder=name, json_metadata={"d": 5}) for name in decoders.names()
    ]
    results = sinter.collect(
        num_workers=1,
        tasks=tasks,
        custom_decoders=decoders.sinter_decoders(),
        max_shots=500,
    )
    assert {result.decoder for result in results} == set(decoders.names())
    for result in results:
        assert result.shots == 500
        assert result.discards == 0
        assert 0 < result.errors < 250


def test_thresholds_stand_in_the_names() -> None:
    made = decoders.sinter_decoders(gap_thresholds=[2.5, 5])
    assert {"mwpm-gap-2.5", *(f"{name}-gap-5" for name in WITH_GAPS)} <= made.keys()
    assert set(decoders.names()) <= made.keys()
    assert "pymatching-correlated-gap-5" not in made
    assert pickle.loads(pickle.dumps(made["mwpm-gap-2.5"])) == sinter_decoder("mwpm-gap-2.5")


def test_treatments_of_hyperedges_are_in_the_names() -> None:
    made = decoders.sinter_decoders(gap_thresholds=[5], hyperedges=["decompose", "drop"])
    assert {"mwpm-decompose", "pymatching-drop", "mwpm-correlated-decompose-gap-5"} <= made.keys()
    assert not any(name.startswith("trellis-d") for name in made)
    assert made["mwpm-decompose-gap-5"] == sinter_decoder("mwpm-decompose-gap-5")
    assert sinter_decoder("mwpm-decompose-or-drop").hyperedges == "decompose-or-drop"
    dem = stim.DetectorErrorModel("error(0.2) D0 L0\nerror(0.2) D1 D2\nerror(0.1) D0 D1 D2 L0")
    compiled = made["mwpm-decompose"].compile_decoder_for_dem(dem=dem)
    packed = np.array([[7], [6]], dtype=np.uint8)
    assert compiled.decode_shots_bit_packed(bit_packed_detection_event_data=packed).tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mwmp", "no decoder is named 'mwmp'"),
        ("mwmp-drop", "no decoder is named 'mwmp-drop'"),
        ("mwmp-gap-5", "no decoder is named 'mwmp'"),
        ("pymatching-correlated-gap-5", "'pymatching-correlated' gives no gaps"),
        ("mwpm-gap-", "a number above zero"),
        ("mwpm-gap-0", "a number above zero"),
        ("mwpm-gap-inf", "a number above zero"),
        ("mwpm-gap-nan", "a number above zero"),
    ],
)
def test_wrong_thresholds(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sinter_decoder(name)


@pytest.mark.parametrize("name", WITH_GAPS)
def test_the_discard_byte_is_set_below_the_threshold(name: str) -> None:
    dem = circuit().detector_error_model(decompose_errors=True)
    events, _, _ = dem.compile_sampler(seed=3).sample(500, bit_packed=True)
    predictions, gaps = decoders.from_dem(name, dem).decode_batch(events, bit_packed=True, return_gap=True)
    answer = (
        sinter_decoder(f"{name}-gap-3")
        .compile_decoder_for_dem(dem=dem)
        .decode_shots_bit_packed(bit_packed_detection_event_data=events)
    )
    assert answer.dtype == np.uint8
    assert answer.shape == (500, 2)
    assert np.array_equal(answer[:, :1], predictions)
    assert np.array_equal(answer[:, 1] != 0, gaps[:, 0] < 3)
    assert 0 < np.count_nonzero(answer[:, 1]) < 500


def test_collect_counts_discards_and_errors_fall() -> None:
    names = ["mwpm", "mwpm-gap-1", "mwpm-gap-3"]
    results = sinter.collect(
        num_workers=1,
        tasks=[sinter.Task(circuit=circuit(), decoder=name) for name in names],
        custom_decoders=decoders.sinter_decoders(gap_thresholds=[1, 3]),
        max_shots=20_000,
    )
    found = {result.decoder: result for result in results}
    plain, weak, strong = (found[name] for name in names)
    assert plain.strong_id != weak.strong_id != strong.strong_id
    assert plain.discards == 0 < weak.discards < strong.discards < 20_000
    # 832, 460, 54 errors when this was written: far more apart than chance can bridge.
    assert plain.errors > 1.4 * weak.errors > 4 * strong.errors
    rates = [one.errors / (one.shots - one.discards) for one in (plain, weak, strong)]
    assert rates[0] > 1.3 * rates[1] > 3 * rates[2]


def test_collect_from_the_shell(tmp_path: Path) -> None:
    circuit().to_file(tmp_path / "d=5.stim")
    # What the installed script `sinter` runs, found wherever it was installed.
    [script] = entry_points(group="console_scripts", name="sinter")
    command = f"from {script.module} import {script.attr}; {script.attr}()"
    done = subprocess.run(
        [
            *(sys.executable, "-c", command, "collect"),
            *("--circuits", str(tmp_path / "d=5.stim")),
            *("--custom_decoders_module_function", "decoders:sinter_decoders"),
            *("--decoders", *decoders.names()),
            *("--max_shots", "500", "--processes", "1", "--quiet"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "out.csv").write_text(done.stdout)
    results = sinter.read_stats_from_csv_files(tmp_path / "out.csv")
    assert {(result.decoder, result.shots) for result in results} == {
        (name, 500) for name in decoders.names()
    }
