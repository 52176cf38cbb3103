"""Check of the drop-in `Matching`: any sequence of calls, compared with PyMatching."""

from functools import partial
from typing import Any

import numpy as np
import pymatching
import scipy.sparse

from decoders.pymatching import Matching
from tests.fuzzing.choices import Choices
from tests.fuzzing.refusals import refusing
from tests.support.pymatching_calls import (
    STRATEGIES,
    Call,
    Solutions,
    assert_same_graph,
    outcome,
    without_warnings,
)

_WEIGHTS = (0.0, 1.0, -1.0, 2.0, 0.5, 1 / 3, -2.25, 1e-9, 1e9, 7.0)
_CHANCES = (None, 0.0, 0.1, 0.5, 0.9, 1.0, -1.0, 2.0)
_FAULTS = (None, 0, 1, 70, {0, 1}, {2, 64}, set())
# Values of no use as arguments: each must be refused, or do no harm.
_WILD: tuple[Any, ...] = (
    *(None, "x", b"", [], {}, -1, 2**31, 2**63, 10**30, 1.5, float("nan"), float("inf"), -float("inf")),
    *(np.int64(-1), np.uint64(2**64 - 1), np.zeros(0), np.zeros((2, 0)), np.array(["x"]), np.array(None)),
    *(True, 1j, object, range(3), {-1}, {"x"}, {2**63}, [[0, 1]], np.full(3, np.nan)),
)
_METHODS = (
    *("add_edge", "add_boundary_edge", "set_boundary_nodes", "ensure_num_fault_ids", "has_edge"),
    *("get_edge_data", "has_boundary_edge", "get_boundary_edge_data", "decode", "decode_batch"),
    *("decode_to_edges_array", "decode_to_matched_dets_array", "decode_to_matched_dets_dict"),
    *("load_from_check_matrix", "load_from_networkx", "from_detector_error_model", "add_noise"),
)
# What an argument that means nothing may raise.
_REFUSALS = (ValueError, TypeError)


def _edge(choices: Choices, size: int) -> Call:
    named: dict[str, Any] = {"merge_strategy": choices.of(STRATEGIES)}
    values = (choices.of(_FAULTS), choices.of(_WEIGHTS), choices.of(_CHANCES))
    if choices.number(0, 3) == 0:
        return Call("add_boundary_edge", (choices.number(0, size - 1), *values), named)
    return Call("add_edge", (choices.number(0, size - 1), choices.number(0, size - 1), *values), named)


def _check_matrix(choices: Choices) -> Call:
    rows, columns = choices.number(1, 4), choices.number(1, 6)
    matrix = np.array(
        [[choices.number(0, 3) == 0 for _ in range(columns)] for _ in range(rows)], dtype=np.uint8
    )
    named: dict[str, Any] = {}
    if choices.flag():
        named["weights"] = [choices.of(_WEIGHTS) for _ in range(columns)]
    if choices.flag():
        named["repetitions"] = choices.number(1, 3)
    if choices.flag():
        named["use_virtual_boundary_node"] = choices.flag()
    return Call(
        "load_from_check_matrix", (scipy.sparse.csc_matrix(matrix) if choices.flag() else matrix,), named
    )


def matching(data: bytes) -> None:
    """Make the same calls of both libraries, and some of ours alone: graphs, errors, weights are equal."""
    choices = Choices(data)
    size = choices.number(1, 9)
    ours, theirs = Matching(), pymatching.Matching()
    _both(Call("ensure_num_fault_ids", (71,), {}), ours, theirs)
    for _ in range(40):
        if not choices:
            break
        match choices.number(0, 9):
            case 0:
                nodes = {choices.number(0, size - 1) for _ in range(choices.number(0, 2))}
                _both(Call("set_boundary_nodes", (nodes,), {}), ours, theirs)
            case 1:
                _both(_check_matrix(choices), ours, theirs)
                # PyMatching does not count the fault ids of an edge that replaces another.
                _both(Call("ensure_num_fault_ids", (71,), {}), ours, theirs)
            case 2 | 3:
                _decode(choices, ours, theirs)
            case 4:
                _wild(choices, ours)
            case _:
                _both(_edge(choices, size), ours, theirs)
    assert_same_graph(ours, theirs)
    _decode(choices, ours, theirs)


def _both(call: Call, ours: Matching, theirs: pymatching.Matching) -> None:
    mine, other = (without_warnings(partial(outcome, partial(call.of, one))) for one in (ours, theirs))
    assert mine == other, (call, mine, other)


def _decode(choices: Choices, ours: Matching, theirs: pymatching.Matching) -> None:
    """Decode a few syndromes with both; the weights are equal, and the edges explain the syndrome."""
    if not ours.num_nodes:
        return
    solutions = Solutions(ours)
    for _ in range(2):
        bits = choices.number(0, 2**32 - 1)
        syndrome = np.array([bits >> node & 1 for node in range(ours.num_nodes)], dtype=np.uint8)
        mine: Any = outcome(partial(ours.decode, syndrome, return_weight=True))
        other: Any = outcome(partial(theirs.decode, syndrome, return_weight=True))
        if other is ValueError:
            assert mine is ValueError
            continue
        assert mine is not ValueError
        assert np.isclose(mine[1], other[1], rtol=1e-12, atol=1e-12), (mine[1], other[1])
        solutions.check(syndrome, ours.decode_to_edges_array(syndrome), *mine)
        rows, weights = ours.decode_batch(syndrome[np.newaxis], return_weights=True)
        assert np.array_equal(rows[0], mine[0])
        assert weights[0] == mine[1]


def _wild(choices: Choices, ours: Matching) -> None:
    """Call a method of a copy with arguments of no use."""
    copy = Matching()
    for u, v, attributes in ours.edges():
        chosen = {name: attributes[name] for name in ("fault_ids", "weight")}
        if v is None:
            without_warnings(partial(copy.add_boundary_edge, u, **chosen))
        else:
            without_warnings(partial(copy.add_edge, u, v, **chosen))
    method = getattr(copy, choices.of(_METHODS))
    arguments = [choices.of(_WILD) if choices.number(0, 2) else 0 for _ in range(choices.number(0, 4))]
    with refusing(kinds=_REFUSALS):
        without_warnings(partial(method, *arguments))
    copy.edges()
    with refusing():
        copy.decode(np.zeros(min(copy.num_detectors, 1000), dtype=np.uint8))
