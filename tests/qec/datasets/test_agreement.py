"""Metadata that contradict their circuit or the name of their folder."""

import json
from pathlib import Path

import pytest
import stim

import qec
from qec.datasets import experiment_folder, read_experiment
from qec.datasets.agreement import check_agreement
from qec.datasets.metadata import Metadata
from qec.resources import data_path


def check(
    circuit: stim.Circuit, folder: str = "x", *, distance: int = 3, rounds: int = 4, basis: str = "X"
) -> None:
    metadata = Metadata(distance=distance, rounds=rounds, basis=basis, shots=1)
    check_agreement(metadata, circuit, folder=Path(folder), source=Path("m.json"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rounds": 5}, r"m\.json: 'rounds' is 5, but circuit_ideal\.stim has 4: correct one of them"),
        ({"distance": 5}, r"'distance' is 5, but circuit_ideal\.stim has 3 or 9"),
        ({"basis": "Z"}, r"'basis' is 'Z', but circuit_ideal\.stim has X"),
    ],
)
def test_a_circuit_says_otherwise(wrong: dict[str, object], message: str) -> None:
    circuit = stim.Circuit.generated("surface_code:rotated_memory_x", distance=3, rounds=4)
    check(circuit)
    with pytest.raises(ValueError, match=message):
        check(circuit, **wrong)  # type: ignore[arg-type]


def test_other_codes_and_rotated_data_qubits_are_no_contradiction() -> None:
    for task in ("surface_code:unrotated_memory_x", "color_code:memory_xyz", "repetition_code:memory"):
        check(stim.Circuit.generated(task, distance=3, rounds=4), basis="X" if "memory_x" in task else "Z")
    for variant in ("css", "zxxz"):
        for basis in ("x", "z"):
            code = qec.RotatedSurfaceCode(3, variant=variant)
            check(qec.memory_circuit(code, rounds=4, basis=basis), basis=basis.upper())
    check(qec.memory_circuit(qec.RepetitionCode(4), rounds=4), distance=4, basis="Z")


@pytest.mark.parametrize(
    ("folder", "wrong"),
    [
        ("surface_code_bX_d3_r04_center_3_5", "basis"),
        ("surface_code_bZ_d5_r04_center_3_5", "distance"),
        ("d3_at_q3_5/Z/r10", "rounds"),
    ],
)
def test_the_name_of_a_folder_says_otherwise(folder: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"'{wrong}' is .*, but the name of the folder has"):
        check(stim.Circuit(), folder, basis="Z")
    check(stim.Circuit(), f"{folder}_copy", basis="Z")


def test_a_reader_checks(tmp_path: Path) -> None:
    sample = data_path("samples/si1000_surface_code/d3_at_q3_3/Z/r05")
    folder = experiment_folder(tmp_path, distance=3, center=(3, 3), basis="Z", rounds=5)
    folder.mkdir(parents=True)
    for file in sample.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    read_experiment(folder)
    fields = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps({**fields, "rounds": 6}))
    with pytest.raises(ValueError, match=r"metadata\.json: 'rounds' is 6, but circuit_ideal\.stim has 5"):
        read_experiment(folder)
    (folder / "metadata.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"metadata\.json: nested too deeply"):
        read_experiment(folder)
