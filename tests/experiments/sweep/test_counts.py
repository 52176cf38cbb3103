"""CSV files of counts: sinter's own format, half-written lines, sums, copies, and two writers."""

import collections
import csv
import io
import json
from pathlib import Path

import pytest
import sinter
from hypothesis import given
from hypothesis import strategies as st

from experiments.sweep import counts


def row(
    shots: int = 100, errors: int = 3, *, strong_id: str = "a", seconds: float = 1.5, **custom: int
) -> object:
    return sinter.TaskStats(
        strong_id=strong_id,
        decoder="pymatching",
        json_metadata={"d": 3, "noise": 'a "quoted", name'},
        shots=shots,
        errors=errors,
        discards=1,
        seconds=seconds,
        custom_counts=collections.Counter(custom),
    )


def append(path: Path, *rows: object) -> counts.CountsFile:
    with counts.CountsFile(path) as file:
        for one in rows:
            file.add(one)
    return file


def test_what_is_written_is_what_sinter_reads(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    rows = [row(), row(50, 2, strong_id="b", detection_events=7), row(7, 1)]
    append(path, rows[0], rows[1])
    append(path, rows[2])
    text = path.read_text()
    assert text.splitlines()[0] == sinter.CSV_HEADER
    assert text.count(sinter.CSV_HEADER) == 1
    mine, notes = counts.read([path])
    theirs = sinter.read_stats_from_csv_files(path)
    assert notes == []
    assert mine == theirs
    assert [(total.shots, total.errors) for total in mine] == [(107, 4), (50, 2)]


def test_every_beginning_of_a_file_can_be_continued(tmp_path: Path) -> None:
    """Wherever a kill cut the file: whole lines count, the rest is taken again."""
    whole = tmp_path / "whole.csv"
    append(whole, row(100, 3), row(20, 1))
    data = whole.read_bytes()
    header_end = data.index(b"\n")
    row_ends = [data.index(b"\n", header_end + 1), len(data) - 1]
    for length in range(len(data) + 1):
        path = tmp_path / f"{length}.csv"
        path.write_bytes(data[:length])
        # A line that lacks only its line end is whole.
        shots = 100 * (length >= row_ends[0]) + 20 * (length >= row_ends[1])
        read, notes = counts.read([path])
        assert sum(total.shots for total in read) == shots
        file = append(path, row(1000, 5))
        assert sum(total.shots for total in file.rows) == shots
        cut = not (length == 0 or data[:length].endswith(b"\n") or length in row_ends)
        assert len(notes) == len(file.notes) == cut
        (total,) = sinter.read_stats_from_csv_files(path)
        assert total.shots == shots + 1000


def test_zeros_after_a_power_cut_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    append(path, row())
    with path.open("ab") as file:
        file.write(b"\0" * 50)
    assert append(path, row()).notes == [
        f"{path}: cut off a half-written last line, its shots will be taken again"
    ]
    assert counts.read([path])[0][0].shots == 200


@pytest.mark.parametrize(
    "line",
    [
        "12,3",
        "x,0,0,1.0,pymatching,a,{},",
        "10,11,0,1.0,pymatching,a,{},",
        "10,-1,0,1.0,pymatching,a,{},",
        "10,1,0,1.0,pymatching,a,{,",
        '10,1,0,1.0,pymatching,a,"{}',
        *(f"10,1,0,{seconds},pymatching,a,{{}}," for seconds in ("-1", "inf", "nan", "1e400")),
        "-10,0,0,1.0,pymatching,a,{},",
        "1e30,1,0,1.0,pymatching,a,{},",
        '10,1,0,1.0,pymatching,a,{},"{""x"":-1}"',
        '10,1,0,1.0,pymatching,a,{},"{""x"":100000000000000000}"',
        f"10,1,0,1.0,pymatching,a,{'[' * 100_000},",
    ],
)
def test_a_spoilt_line_is_named_and_nothing_is_written(line: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    append(path, row())
    with path.open("a") as file:
        file.write(f"{line}\n")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"c\.csv, line 3: not a row of counts"):
        counts.read([path])
    with pytest.raises(ValueError, match="line 3"):
        append(path, row())
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "hello", "\n", "shots,errors\n"])
def test_another_kind_of_file_is_refused_and_kept(text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text)
    for use in (lambda: counts.read([path]), lambda: append(path, row())):
        with pytest.raises(ValueError, match=r"c\.csv: not a sinter CSV file"):
            use()
    assert path.read_text() == text


def test_binary_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not text"):
        counts.read([tmp_path / "c.csv"])
    with pytest.raises(FileNotFoundError, match=r"gone\.csv: no such CSV file"):
        counts.read([tmp_path / "gone.csv"])
    with pytest.raises(FileNotFoundError, match="gone: no such folder"):
        append(tmp_path / "gone" / "c.csv")


def test_files_of_older_sinters_are_read_but_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "shots,errors,discards,seconds,decoder,strong_id,json_metadata\n9,1,0,1.0,pymatching,a,{}\n"
    )
    assert counts.read([path])[0][0].shots == 9
    with pytest.raises(ValueError, match="older sinter"):
        append(path, row())


def test_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    append(path, row())
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert counts.read([path])[0][0].shots == 100
    append(path, row())
    assert counts.read([path])[0][0].shots == 200


def test_sums_over_files_refuse_what_would_count_twice(tmp_path: Path) -> None:
    first, copy, other = tmp_path / "1.csv", tmp_path / "2.csv", tmp_path / "3.csv"
    append(first, row(100, 3), row(20, 1))
    copy.write_bytes(first.read_bytes())
    append(copy, row(5, 0))
    append(other, row(100, 4), row(20, 1))
    (total,), _ = counts.read([first, other])
    assert (total.shots, total.errors) == (240, 9)
    with pytest.raises(ValueError, match="given twice"):
        counts.read([first, tmp_path / "." / "1.csv"])
    for pair in ([first, copy], [copy, first]):
        with pytest.raises(ValueError, match="begin with the same 2 rows"):
            counts.read(pair)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    with counts.CountsFile(path), pytest.raises(ValueError, match="another run is writing"):
        append(path, row())
    append(path, row())


def test_a_new_file_is_never_written_over_an_old_one(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    counts.write(path, [row()])
    assert counts.read([path])[0] == [row()]
    with pytest.raises(ValueError, match="there already"):
        counts.write(path, [])
    assert counts.read([path])[0] == [row()]


_TITLES = [*sinter.CSV_HEADER.replace(" ", "").split(","), "note"]
_json_values = st.none() | st.integers(-9, 9) | st.text(max_size=5) | st.floats(0, 1)


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 50), st.integers(0, 50), st.dictionaries(st.text(max_size=3), _json_values)
        ),
        max_size=4,
    ),
    titles=st.permutations(_TITLES),
    without=st.sets(st.sampled_from(["custom_counts", "note"])),
    style=st.tuples(*[st.sampled_from(choice) for choice in (
        ("", "\ufeff"), ("\n", "\r\n"), (",", ", "), ("", ".0"), ("", "  "), (False, True)
    )]),
)  # fmt: skip
def test_every_way_to_write_the_same_rows_is_read(
    rows: list[tuple[int, int, dict[str, object]]],
    titles: list[str],
    without: set[str],
    style: tuple[str, str, str, str, str, bool],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    mark, end, comma, decimals, blank, repeat = style
    used = [title for title in titles if title not in without]
    cells = [
        {
            "shots": f"{good + bad}{decimals}", "errors": f"{bad}{decimals}", "discards": "0",
            "seconds": "1.5", "decoder": "pymatching", "strong_id": f"id{number}",
            "json_metadata": json.dumps(metadata), "custom_counts": '{"a":1}', "note": "x",
        }
        for number, (good, bad, metadata) in enumerate(rows)
    ]  # fmt: skip

    def line(values: list[str]) -> str:
        written = []
        for value in values:
            out = io.StringIO()
            csv.writer(out, lineterminator="").writerow([value])
            written.append(out.getvalue())
        return comma.join(written) + end

    header = line(used)
    text = mark + header
    for entry in cells:
        text += blank + end + (header if repeat else "") + line([entry[title] for title in used])
    path = tmp_path_factory.mktemp("counts") / "c.csv"
    path.write_bytes(text.encode())
    found, notes = counts.read([path])
    assert [(total.shots, total.errors, total.json_metadata) for total in found] == [
        (good + bad, bad, metadata) for good, bad, metadata in rows
    ]
    assert all(total.custom_counts == ({} if "custom_counts" in without else {"a": 1}) for total in found)
    assert notes == ([] if "note" in without else [f"{path}: ignored the columns 'note'"])


@given(noise=st.binary(max_size=30), at=st.integers(0, 200), width=st.integers(0, 10))
def test_a_damaged_file_is_read_or_refused_in_one_line(
    noise: bytes, at: int, width: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("counts") / "c.csv"
    append(path, row(100, 3), row(20, 1, a=1))
    data = path.read_bytes()
    path.write_bytes(data[:at] + noise + data[at + width :])
    words = ""
    try:
        counts.read([path])
    except ValueError as error:
        words = str(error)
    assert words == "" or str(path) in words
    assert "\n" not in words


@pytest.mark.parametrize("custom", ["5", "[1]", '"{""a"":1.5}"', '"{""a"":""b""}"'])
def test_custom_counts_of_another_kind_are_refused(custom: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(f"{sinter.CSV_HEADER}\n10,1,0,1.0,pymatching,a,{{}},{custom}\n")
    with pytest.raises(ValueError, match="line 2: not a row of counts"):
        counts.read([path])


def test_one_strong_id_for_two_tasks_is_reported_and_not_added_up(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    lines = [f'10,1,0,1.0,pymatching,a,"{{""d"":{d}}}",' for d in (3, 5, 3)]
    path.write_text("\n".join([sinter.CSV_HEADER, *lines]) + "\n")
    found, notes = counts.read([path])
    assert [(total.shots, total.json_metadata) for total in found] == [(20, {"d": 3}), (10, {"d": 5})]
    assert notes == ["strong_id 'a' has several decoders or metadata: kept apart, not added up"]


def test_other_columns_are_read_but_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(",".join(reversed(_TITLES)) + "\n")
    with pytest.raises(ValueError, match="has other columns"):
        append(path, row())
