"""Program files: what they mean, and what is refused."""

import json

import pytest

from realtime.programs import library
from realtime.programs.kernels.records import Kind, Unsure
from realtime.programs.program import Program, ProgramError

HEAD = '{"program": "p", "version": 1, "patches": ["a", "b"]}'
PREPARED = f'{HEAD}\n{{"do": "prepare", "patch": "a"}}\n{{"do": "idle", "cycles": 2}}\n'
MEASURED = PREPARED + '{"do": "measure", "patch": "a", "basis": "z", "outcome": "m"}\n'


def test_repetitions_are_unrolled_and_results_are_the_outcomes_on_which_nothing_depends() -> None:
    text = "\n".join(
        [
            "# two patches",
            HEAD,
            "",
            '{"do": "prepare", "patch": "a"}',
            '{"do": "prepare", "patch": "b"}',
            '{"do": "repeat", "times": 3}',
            '{"do": "idle", "cycles": 2}',
            '{"do": "measure", "patch": "a", "basis": "z", "outcome": "m"}',
            '{"do": "wait", "outcome": "m"}',
            '{"do": "correct", "patch": "b", "pauli": "y", "if": "m"}',
            '{"do": "prepare", "patch": "a"}',
            '{"do": "end"}',
            '{"do": "idle", "cycles": 1}',
            '{"do": "measure", "patch": "a", "basis": "x", "outcome": "last"}',
            '{"do": "measure", "patch": "b", "basis": {"if": "m", "zero": "z", "one": "x"}, "outcome": "r"}',
        ]
    )
    program = Program.parse(text)
    assert [one.kind for one in program.operations].count(Kind.CORRECT) == 3
    assert program.results == {"last", "r"}
    assert program.decisions == 3
    assert program.num_lives == 5
    assert program.shortest_life == 2
    table = program.table()
    assert table["flips"].max() == 3
    assert table[-1]["condition"] == 0
    assert (table[-1]["basis"], table[-1]["basis_if"]) == (0, 1)
    # Each m is awaited, the results are not.
    assert table["decides"][table["kind"] == Kind.MEASURE].tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("decisions", [1, 2, 5])
def test_a_chain_has_one_decision_after_the_other(decisions: int) -> None:
    program = Program.parse(library.decision_chain(decisions=decisions, cycles=3))
    assert program.decisions == decisions
    assert program.results == {"result"}
    assert program.num_lives == decisions + 1


def test_a_wait_may_discard_the_shot_or_repeat_a_preparation_where_the_gap_is_small() -> None:
    text = library.feed_forward_memory(cycles=2, gap=4.5, below={"repeat": 3})
    program = Program.parse(text)
    wait = program.table()[program.table()["kind"] == Kind.WAIT][0]
    assert (wait["least_gap"], wait["unsure"], wait["times"]) == (4500, Unsure.REPEAT, 3)
    repeated = program.operations[wait["target"]]
    assert (repeated.kind, program.patches[repeated.patch]) == (Kind.PREPARE, "ancilla")
    assert program.needs_gaps
    assert program.most_lives == program.num_lives + 3
    assert not Program.parse(library.feed_forward_memory(cycles=2)).needs_gaps
    discarding = Program.parse(library.feed_forward_memory(cycles=2, gap=1))
    assert discarding.table()["unsure"].max() == Unsure.DISCARD


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: empty"),
        ("[]", "line 1: must be a JSON object"),
        ("{", "line 1: not JSON"),
        ('{"program": "p", "version": 1}', 'line 1: field "patches": missing'),
        ('{"program": "p", "version": 2, "patches": ["a"]}', 'line 1: field "version": 2: must be 1'),
        ('{"program": "p", "version": 1, "patches": ["a", "a"]}', "line 1: field \"patches\": 'a'"),
        (f'{HEAD}\n{{"do": "jump"}}', "line 2: field \"do\": 'jump': choose from prepare, idle"),
        (f'{HEAD}\n{{"do": "idle", "cycles": 1, "patch": "a"}}', 'line 2: field "patch": unknown'),
        (f'{HEAD}\n{{"do": "idle"}}', 'line 2: field "cycles": missing'),
        (f'{HEAD}\n{{"do": "idle", "cycles": true}}', 'line 2: field "cycles": True: must be an integer'),
        (f'{HEAD}\n{{"do": "prepare", "patch": "c"}}', "line 2: field \"patch\": 'c': no such patch"),
        (f'{HEAD}\n{{"do": "end"}}', 'line 2: field "do": end without repeat'),
        (f'{HEAD}\n{{"do": "repeat", "times": 2}}', 'line 2: field "do": repeat without end'),
        (PREPARED, 'line 3: patch "a" is not measured at the end'),
        (PREPARED + '{"do": "prepare", "patch": "a"}', "line 4: field \"patch\": 'a' is in use"),
        (MEASURED + '{"do": "prepare", "patch": "a"}', "'a' is in use: let a cycle pass first"),
        (
            PREPARED + '{"do": "measure", "patch": "a", "basis": "y", "outcome": "m"}',
            'line 4: field "basis"',
        ),
        (
            PREPARED + '{"do": "measure", "patch": "a", "basis": {"if": "m"}, "outcome": "m"}',
            'line 4: field "basis": must be',
        ),
        (MEASURED + '{"do": "wait", "outcome": "n"}', "line 5: field \"outcome\": 'n': no such outcome"),
        (
            MEASURED + '{"do": "correct", "patch": "a", "pauli": "x", "if": "m"}',
            "line 5: field \"patch\": 'a' is not prepared",
        ),
        (
            MEASURED
            + '{"do": "prepare", "patch": "b"}\n{"do": "correct", "patch": "b", "pauli": "x", "if": "m"}',
            "line 6: field \"if\": 'm' may not be there yet: wait for it first",
        ),
        (
            MEASURED + '{"do": "wait", "outcome": "m", "gap": 2}',
            'line 5: field "below": missing: a wait has "gap" and "below", or neither, not "gap" alone',
        ),
        (
            MEASURED + '{"do": "wait", "outcome": "m", "gap": -1, "below": "discard"}',
            'line 5: field "gap": -1: must be log-odds, a number above 0 and at most 1000',
        ),
        (
            MEASURED + '{"do": "wait", "outcome": "m", "gap": 2, "below": "idle"}',
            'line 5: field "below": \'idle\': must be "discard" or {"repeat": TIMES}',
        ),
        (
            MEASURED + '{"do": "wait", "outcome": "m", "gap": 2, "below": {"repeat": 0}}',
            'line 5: field "repeat": 0: must be an integer from 1 to 100',
        ),
        (
            MEASURED + '{"do": "idle", "cycles": 1}\n{"do": "prepare", "patch": "b"}\n'
            '{"do": "wait", "outcome": "m", "gap": 2, "below": {"repeat": 1}}',
            "line 7: field \"below\": only idle may be between the preparation of 'a' and its measurement "
            "and this wait, which are repeated, not prepare",
        ),
        (
            f'{HEAD}\n{{"do": "prepare", "patch": "a"}}\n'
            '{"do": "measure", "patch": "a", "basis": "z", "outcome": "m"}',
            "line 3: field \"patch\": 'a' has had no cycle",
        ),
    ],
)
def test_faults_name_line_and_field(text: str, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        Program.parse(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


_TILES = '{"program": "p", "version": 1, "patches": {"a": [0, 0], "b": [0, 1], "c": [1, 0]}}'
_PAIR = "\n".join([_TILES, *(f'{{"do": "prepare", "patch": "{one}"}}' for one in "abc")]) + "\n"
_READY = _PAIR + '{"do": "idle", "cycles": 2}\n'


def _merge(patches: str = '["a", "b"]', basis: str = "z", cycles: int = 3) -> str:
    return (
        f'{{"do": "merge", "patches": {patches}, "basis": "{basis}", "cycles": {cycles}, "outcome": "m"}}\n'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            _READY + _merge('["a"]'),
            "line 6: field \"patches\": ['a']: must be a list of two different patches",
        ),
        (_READY + _merge('["a", "a"]'), "must be a list of two different patches"),
        (_READY + _merge('["a", "d"]'), "field \"patches\": 'd': no such patch: choose from a, b, c"),
        (_READY + _merge('["a", "c"]'), "['a', 'c'] must be in one column to merge in basis 'z'"),
        (_READY + _merge(basis="x"), "['a', 'b'] must be in one row to merge in basis 'x'"),
        (_READY + _merge(cycles=1), 'field "cycles": 1: a merge takes at least 2, to see a wrong check'),
        (_PAIR + _merge(), "'a' has had no cycle: idle before the merge"),
        (
            _READY + '{"do": "measure", "patch": "c", "basis": "z", "outcome": "c"}\n' + _merge(),
            "'c' is being measured: let a cycle pass before the merge",
        ),
        (
            _READY.replace('{"a": [0, 0], "b": [0, 1], "c": [1, 0]}', '["a", "b", "c"]') + _merge(),
            'merges need tiles: give the first line "patches": {NAME: [COLUMN, ROW]}',
        ),
        (
            _TILES.replace("[1, 0]", "[0, 1]"),
            "line 1: field \"patches\": tile [0, 1] of 'c' is that of another patch",
        ),
        (_TILES.replace("[1, 0]", "[-1, 0]"), "tile [-1, 0] of 'c': must be [COLUMN, ROW], 0 to 99 each"),
        (
            _READY
            + _merge()
            + '{"do": "wait", "outcome": "m", "gap": 1, "below": "discard"}\n'
            + "".join(
                f'{{"do": "measure", "patch": "{one}", "basis": "z", "outcome": "{one}"}}\n' for one in "abc"
            ),
            'line 7: field "gap": not in a program with merges: leave it out',
        ),
    ],
)
def test_faults_of_merges_name_line_and_field(text: str, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        Program.parse(text)
    assert message in str(caught.value)


def test_programs_of_the_library_are_json_lines() -> None:
    for text in (
        library.feed_forward_memory(cycles=5),
        library.decision_chain(decisions=2, cycles=5),
        library.merged_parity(cycles=2, merged=3),
        library.teleportation(cycles=2, merged=3, basis="x"),
        library.merged_chain(decisions=2, cycles=2, merged=3),
        library.surgery_cnot(cycles=2, merged=3, basis="z"),
    ):
        assert all(json.loads(line) for line in text.splitlines())
