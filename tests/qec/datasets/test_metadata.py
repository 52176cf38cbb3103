"""properties.yml and metadata.json: what is understood, and what is refused with which words."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qec.datasets import Metadata
from qec.datasets.metadata import read_metadata, read_properties

FIELDS = {"distance": 3, "rounds": 5, "basis": "X", "shots": 100}


def write(folder: Path, text: str | bytes, name: str = "properties.yml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_flat_yaml(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "# made by hand\ntype: surface_code_memory_experiment\nbasis: X\n\nrounds: 05  # padded\n"
        "offset: -3\nname: a#b c\nversion: 1.5\n",
    )
    assert read_properties(path) == {
        "type": "surface_code_memory_experiment",
        "basis": "X",
        "rounds": 5,
        "offset": -3,
        "name": "a#b c",
        "version": "1.5",
    }


@pytest.mark.parametrize(
    "line",
    ["rounds", "rounds:", "rounds:5", " rounds: 5", "- 5", "key: [1, 2]", "key: {a: 1}", "key: |", "a: b: c",
     ": 5", "key: &anchor 5", "---", "\trounds: 5", "key: 'text'"],
)  # fmt: skip
def test_lines_that_are_not_key_and_value_are_named(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, f"basis: X\n{line}\nshots: 1\n")
    with pytest.raises(ValueError, match=r"properties\.yml: line 2 is not 'key: value'") as caught:
        read_properties(path)
    assert repr(line) in str(caught.value)


def test_a_key_given_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"properties\.yml: line 3 gives 'shots' a second time"):
        read_properties(write(tmp_path, "shots: 1\nbasis: X\nshots: 2\n"))


@given(
    fields=st.dictionaries(
        st.from_regex(r"[a-z_][a-z0-9_]{0,10}", fullmatch=True),
        st.integers() | st.from_regex(r"[A-Za-z][A-Za-z0-9_./ -]{0,10}[A-Za-z]", fullmatch=True),
    )
)
def test_flat_yaml_round_trip(fields: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> None:
    text = "".join(f"{key}: {value}\n" for key, value in fields.items())
    assert read_properties(write(tmp_path_factory.mktemp("yaml"), text)) == fields


def test_json_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"metadata\.json: not JSON: .*line 1"):
        read_metadata(write(tmp_path, '{"rounds": 5', "metadata.json"))
    with pytest.raises(ValueError, match=r"metadata\.json: .*JSON list, expected an object"):
        read_metadata(write(tmp_path, "[1]", "metadata.json"))
    with pytest.raises(ValueError, match=r"metadata\.json: not UTF-8 text \(byte 1\)"):
        read_metadata(write(tmp_path, b"{\xff}", "metadata.json"))
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_metadata(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distance": None}, "'distance' is None, expected a whole number from 1 up"),
        ({"distance": 0}, "'distance' is 0"),
        ({"rounds": "5"}, "'rounds' is '5'"),
        ({"rounds": True}, "'rounds' is True"),
        ({"shots": -1}, "'shots' is -1, expected a whole number from 0 up"),
        ({"shots": 1.0}, "'shots' is 1.0"),
        ({"basis": "Y"}, "'basis' is 'Y', expected 'X' or 'Z'"),
        ({"data_qubit_coords": [1, 2]}, "'data_qubit_coords' is not a list of"),
    ],
)
def test_entries_that_cannot_be(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"the file: {message}"):
        Metadata.from_fields({**FIELDS, **change}, source="the file")


@pytest.mark.parametrize("missing", ["distance", "rounds", "shots", "basis"])
def test_entries_that_are_missing(missing: str) -> None:
    fields = {key: value for key, value in FIELDS.items() if key != missing}
    with pytest.raises(ValueError, match=missing):
        Metadata.from_fields(fields)


def test_where_the_centre_comes_from() -> None:
    assert Metadata.from_fields(FIELDS).center is None
    flat = {**FIELDS, "center_data_qubit_row": 3, "center_data_qubit_col": 5}
    assert Metadata.from_fields(flat).center == (3.0, 5.0)
    nested = {**FIELDS, "data_qubit_coords": [[4, 4], [4, 6], [6, 4], [6, 6], [5, 5]]}
    assert Metadata.from_fields(nested).center == (5.0, 5.0)


def test_the_repetition_code_counts_cycles_and_any_case_of_basis_is_read() -> None:
    fields = {"distance": 29, "cycles": 1000, "basis": "z", "shots": 7}
    metadata = Metadata.from_fields(fields)
    assert (metadata.rounds, metadata.basis, metadata.fields) == (1000, "Z", fields)
    assert hash(metadata) == hash(Metadata.from_fields(fields))


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    text = "\ufeffbasis: X\r\n\r\nrounds: 5\r\n"
    assert read_properties(write(tmp_path, text)) == {"basis": "X", "rounds": 5}
    text = '\ufeff{"rounds": 5,\r\n"basis": "X"}\r\n'
    assert read_metadata(write(tmp_path, text, "metadata.json")) == {"basis": "X", "rounds": 5}
