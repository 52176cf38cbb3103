"""Formats that are fuzzed: cases that failed once, a few drawn ones, and whether a fault would be found."""

from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from decoders.model.text_files import parse_dem
from experiments.common import shot_files
from tests.fuzzing import run, worker
from tests.fuzzing.choices import Choices
from tests.fuzzing.formats import spoilt
from tests.fuzzing.graphs import Compared, random_graph
from tests.fuzzing.refusals import BadRefusalError, refusing
from tests.fuzzing.subjects import CORPUS, SUBJECTS, Subject

_CORPUS = [(subject.name, path.name) for subject in SUBJECTS for path in subject.corpus()]
_BY_NAME = {subject.name: subject for subject in SUBJECTS}
# Of each subject in the default run; a session takes milliseconds, and a control message may open sockets.
_FEW = {"control": 4, "session": 10, "matching": 10, "model": 8}


_DIGITS, _DEEP = b"9" * 5000, b"[" * 100_000
_COUNTS = b"shots,errors,discards,seconds,decoder,strong_id,json_metadata\n"
_HEAD = b'{"program": "p", "version": 1, "patches": ["a"]}\n{"do": "idle", "cycles": '
# Cases that failed once and are too long for files.
_LONG = [
    ("experiment", b'\x01{"distance": 3, "rounds": 5, "basis": "Z", "shots": 1, "x": ' + _DIGITS + b"}"),
    ("experiment", b"\x00distance: " + _DIGITS + b"\n"),
    ("results", b"\x03" + _DEEP),
    ("results", b"\x02" + b"a" * 200_000),
    ("counts", _COUNTS + _DIGITS + b',0,0,1,a,b,"{}"\n'),
    ("counts", _COUNTS + b'1,0,0,1,a,"' + b"b" * 200_000 + b'",1\n'),
    ("device", b'name = "a"\n[rates]\none_qubit = ' + _DIGITS),
    ("device", b'name = "a"\n' + b"a." * 100_000 + b"b = 1"),
    ("program", _HEAD + _DIGITS + b"}"),
    ("program", _HEAD + b'"' + _DIGITS + b'"}'),
    ("settings", b"\x01" + _DEEP),
    ("shots", b"\x03\x05\x00" + _DIGITS + b"\n"),
    *(("model", b"repeat 2 {\n" * depth + b"}\n" * depth) for depth in (1000, 100_000)),
    *(("circuit", b"REPEAT 2 {\n" * depth + b"}\n" * depth) for depth in (1000, 100_000)),
]


@pytest.fixture(autouse=True)
def _files_need_not_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda file: None)


@pytest.mark.parametrize(("subject", "name"), _CORPUS)
def test_what_failed_once(subject: str, name: str) -> None:
    _BY_NAME[subject].load()((CORPUS / subject / name).read_bytes())


@pytest.mark.parametrize(("subject", "data"), _LONG, ids=[f"{name}-{n}" for n, (name, _) in enumerate(_LONG)])
def test_what_failed_once_and_is_long(subject: str, data: bytes) -> None:
    _BY_NAME[subject].load()(data)


def test_blocks_of_a_hundred_levels_are_read() -> None:
    text = "repeat 1 {\n" * 100 + "error(0.1) D0\n" + "}\n" * 100
    # Braces in comments and tags are no blocks.
    text += "# {\n" * 300 + "error[{](0.1) D1\n" * 300
    assert parse_dem(text).num_errors == 301
    with pytest.raises(ValueError, match="blocks nested 101 deep: at most 100 levels"):
        parse_dem("repeat 1 {\n" + text + "}")


def test_the_corpus_is_small_and_belongs_to_subjects() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert len(files) == len(_CORPUS) > 20
    assert sum(path.stat().st_size for path in files) < 20_000


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_a_few_cases(subject: Subject) -> None:
    check = subject.load()

    # Not made smaller: that may take minutes, and `python -m tests.fuzzing.run` does it.
    phases = [Phase.explicit, Phase.generate]

    @settings(max_examples=_FEW.get(subject.name, 25), suppress_health_check=list(HealthCheck), phases=phases)
    @given(subject.cases() | spoilt(subject.cases()))
    def try_case(data: bytes) -> None:
        check(data)

    try_case()


def test_a_few_random_graphs() -> None:
    total = [sum(numbers) for numbers in zip(*(random_graph(1, n) for n in range(100)), strict=True)]
    shots, brute, unexplained = Compared(*total)
    assert shots > 250
    assert brute > 250
    assert 0 < unexplained < 150


def test_a_fault_is_found_and_its_case_made_short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A reader that takes a lost line for a shot without events."""
    encode = shot_files.encode_shots
    monkeypatch.setattr("tests.fuzzing.readers.encode_shots", lambda *a, **k: encode(*a, **k)[:-2])
    check = _BY_NAME["shots"].load()
    case = worker.Case(tmp_path / "case")
    trial = worker.Trial(check, case=case, out=tmp_path)
    trial(b"\x00\x03\x00" + b"010\n" * 9)
    assert (case.number, case.data) == (1, b"")
    (found,) = [path for path in tmp_path.iterdir() if path.suffix == ".json"]
    assert "shot_files.py" in found.read_text()
    assert worker.minimised(check, found.with_suffix("").read_bytes(), seconds=60.0) == b"\x00\x03\x00000\n"


def test_a_wrong_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fuzzing import graphs, matchings, messages

    five_shots = bytes(3) + b"\x00\x00\x03" * 10
    messages.session(five_shots)
    assert messages._session().statuses()["OK"] >= 5
    monkeypatch.setattr(messages, "_decoded", lambda rows: b"\x02")
    with pytest.raises(AssertionError, match="wrong answer"):
        messages.session(five_shots)
    one_edge = b"\x03" + b"\x05\x03\x01\x01\x01\x01\x00\x01"
    matchings.matching(one_edge)
    decode = matchings.Matching.decode
    monkeypatch.setattr(matchings.Matching, "decode", lambda *a, **k: (decode(*a, **k)[0], 0.5))
    with pytest.raises(AssertionError):
        matchings.matching(one_edge)
    monkeypatch.setattr(graphs, "every_syndrome", lambda edges: {})
    with pytest.raises(AssertionError, match="weight"):
        list(map(partial(random_graph, 1), range(20)))


def test_refusals_that_are_not_promised() -> None:
    for message in ("", "two\nlines", "another name", "file " + 1000 * "x"):
        with pytest.raises(BadRefusalError), refusing("file"):
            raise ValueError(message)
    with pytest.raises(KeyError), refusing("file"):
        raise KeyError("file")
    with refusing("file"):
        raise ValueError("file: bad")


@given(st.binary(max_size=9), st.integers(-3, 3), st.integers(0, 1000))
def test_choices_are_in_range(data: bytes, least: int, width: int) -> None:
    choices = Choices(data)
    for _ in range(4):
        assert least <= choices.number(least, least + width) <= least + width
    assert not Choices(b"")


def test_the_command_runs_a_subject_in_a_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--subjects", "keys", "graphs", "--cases", "20", "--seconds", "60", "--drawn"]
    assert run.main([*arguments, "--out", str(tmp_path)]) == 0
    rows = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [(name.strip(), number.strip()) for name, number in rows[2:]] == [("keys", "20"), ("graphs", "20")]


@pytest.mark.nightly
def test_a_minute_of_all_subjects(tmp_path: Path) -> None:
    """Guided by coverage where Atheris is installed."""
    assert run.main(["--seconds", "60", "--out", str(tmp_path)]) == 0
