"""Edges of check matrices.

A column with two ones is an edge between two checks; one with a single one is an edge to the boundary.
"""

from operator import index
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from decoders.pymatching.edges import BOUNDARY, UNKNOWN, EdgeColumns, EdgeTable, find_strategy


class MatrixEdges(NamedTuple):
    """A check matrix as a graph."""

    table: EdgeTable
    num_nodes: int
    num_fault_ids: int
    boundary: set[int]


class _Csc(NamedTuple):
    """A binary matrix by its columns."""

    shape: tuple[int, int]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]


def read_check_matrix(
    check_matrix: Any,
    *,
    weights: ArrayLike | None,
    error_probabilities: ArrayLike | None,
    repetitions: int | None,
    timelike_weights: ArrayLike | None,
    measurement_error_probabilities: ArrayLike | None,
    faults_matrix: Any,
    merge_strategy: str,
    use_virtual_boundary_node: bool,
) -> MatrixEdges:
    """Build the edges of a check matrix, see `Matching.load_from_check_matrix`.

    Nodes are numbered check by check, repetition by repetition; the boundary node comes last.
    """
    matrix = _csc(check_matrix, name="check_matrix")
    num_checks, num_columns = matrix.shape
    repetitions = 1 if repetitions is None else repetitions
    if index(repetitions) < 0:
        raise ValueError(f"repetitions={repetitions}: must not be negative")
    ones = np.diff(matrix.indptr)
    if (ones > 2).any():
        column = int(np.argmax(ones > 2))
        raise ValueError(
            f"column {column} of check_matrix has {ones[column]} ones: an edge has at most two ends, so at "
            "most two are possible"
        )
    weight = _numbers(weights, num_columns, name="weights", default=1.0)
    probability = _probabilities(error_probabilities, num_columns, name="error_probabilities")
    fault_start, fault_ids, num_fault_ids = _faults(faults_matrix, matrix)

    # Columns of zeros are no edges.
    used = np.flatnonzero(ones)
    first = matrix.indices[matrix.indptr[used]]
    at_boundary = ones[used] == 1
    second = matrix.indices[matrix.indptr[used + 1] - 1]  # for a single one the same as the first
    num_nodes, boundary = num_checks * repetitions, set[int]()
    shift = num_checks * np.repeat(np.arange(repetitions), used.size)
    node1, node2 = np.tile(first, repetitions) + shift, np.tile(second, repetitions) + shift
    ends_there = np.tile(at_boundary, repetitions)
    node2[ends_there] = BOUNDARY
    if ends_there.any() and not use_virtual_boundary_node:
        node2[ends_there] = num_nodes
        boundary, num_nodes = {num_nodes}, num_nodes + 1
    chosen = np.tile(used, repetitions)
    lengths, entries = _rows_of(fault_start, chosen)
    columns = EdgeColumns(
        node1, node2, weight[chosen], probability[chosen], _ends_of(lengths), fault_ids[entries]
    )
    if repetitions > 1:
        columns = _with_timelike(
            columns,
            num_checks,
            repetitions,
            _numbers(timelike_weights, num_checks, name="timelike_weights", default=1.0),
            _probabilities(
                measurement_error_probabilities, num_checks, name="measurement_error_probabilities"
            ),
        )
    return MatrixEdges(_merged(columns, num_nodes, merge_strategy), num_nodes, num_fault_ids, boundary)


def _with_timelike(
    columns: EdgeColumns,
    num_checks: int,
    repetitions: int,
    weight: NDArray[np.float64],
    probability: NDArray[np.float64],
) -> EdgeColumns:
    """Add an edge between each check and the same one a repetition later."""
    earlier = np.arange(num_checks * (repetitions - 1))
    return EdgeColumns(
        np.concatenate([columns.node1, earlier]),
        np.concatenate([columns.node2, earlier + num_checks]),
        np.concatenate([columns.weight, np.tile(weight, repetitions - 1)]),
        np.concatenate([columns.probability, np.tile(probability, repetitions - 1)]),
        np.concatenate([columns.fault_start, np.full(earlier.size, columns.fault_start[-1])]),
        columns.fault_ids,
    )


def _merged(columns: EdgeColumns, num_nodes: int, merge_strategy: str) -> EdgeTable:
    """Merge parallel edges."""
    low, high = np.minimum(columns.node1, columns.node2), np.maximum(columns.node1, columns.node2)
    if np.unique((low + 1) * (num_nodes + 1) + high).size == low.size:
        find_strategy(merge_strategy)
        return EdgeTable(columns)
    table = EdgeTable()
    for edge in columns.rows():
        table.add(edge, merge_strategy=merge_strategy)
    return table


def _csc(matrix: Any, *, name: str) -> _Csc:
    """Read a binary matrix, dense or sparse, of any type of numbers."""
    sparse: Any = matrix
    if not scipy.sparse.issparse(matrix):
        dense = np.atleast_2d(np.asarray(matrix))
        if dense.ndim > 2 or dense.dtype.kind not in "biuf":
            raise ValueError(
                f"{name} has shape {dense.shape} and dtype {dense.dtype}: must be a two-dimensional array of "
                "zeros and ones"
            )
        sparse = dense
    sparse = scipy.sparse.csc_array(sparse, copy=True)
    sparse.sum_duplicates()
    sparse.eliminate_zeros()
    sparse.sort_indices()
    wrong = sparse.data[sparse.data != 1]
    if wrong.size:
        raise ValueError(f"{name} has an element {wrong[0]}: must be zeros and ones")
    shape = (int(sparse.shape[0]), int(sparse.shape[1]))
    return _Csc(shape, sparse.indptr.astype(np.int64), sparse.indices.astype(np.int64))


def _faults(faults_matrix: Any, matrix: _Csc) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Fault ids of the columns, as starts and ids, and how many fault ids there are."""
    num_columns = matrix.shape[1]
    if faults_matrix is None:
        return np.arange(num_columns + 1), np.arange(num_columns), num_columns
    faults = _csc(faults_matrix, name="faults_matrix")
    if faults.shape[1] != num_columns:
        raise ValueError(
            f"faults_matrix has {faults.shape[1]} columns, check_matrix {num_columns}: must have as many"
        )
    return faults.indptr, faults.indices, faults.shape[0]


def _rows_of(
    start: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lengths and entries of some rows of a list of lists."""
    lengths = start[wanted + 1] - start[wanted]
    ends = np.cumsum(lengths)
    return lengths, np.arange(lengths.sum()) + np.repeat(start[wanted] - ends + lengths, lengths)


def _ends_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _numbers(values: ArrayLike | None, size: int, *, name: str, default: float) -> NDArray[np.float64]:
    """One number for each column or check, from one for all or as many as there are."""
    try:
        numbers = np.asarray(default if values is None else values, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"{name}={values!r}: must be a number or a one-dimensional array of numbers"
        ) from None
    if numbers.ndim == 0:
        numbers = np.full(size, numbers)
    if numbers.shape != (size,):
        of = "rows" if name in ("timelike_weights", "measurement_error_probabilities") else "columns"
        raise ValueError(
            f"{name} has shape {numbers.shape}: must be a number or ({size},), for the {of} of check_matrix"
        )
    if np.isnan(numbers).any():
        raise ValueError(f"{name} has an element that is no number (NaN)")
    return numbers


def _probabilities(values: ArrayLike | None, size: int, *, name: str) -> NDArray[np.float64]:
    numbers = _numbers(values, size, name=name, default=UNKNOWN)
    return np.where((numbers >= 0) & (numbers <= 1), numbers, UNKNOWN)
