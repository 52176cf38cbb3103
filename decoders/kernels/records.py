"""Record types for kernels, with pools: fields that hold the address of an array.

A kernel gets one record instead of a dozen arrays: one pointer instead of a hundred words of array
descriptions per call. A field declared as `Pool` holds the address of an array, and `pool(record, name)`
returns that array. Compiled, this costs one load; with `NUMBA_DISABLE_JIT=1` it is a numpy view of the same
memory. Bounds checks use the true lengths in both cases.
"""

import ast
import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array
from numba.np.numpy_support import from_dtype

from decoders.kernels.jit import interpreted


class Pool(NamedTuple):
    """Declaration of a field that holds the address of an array of records or numbers."""

    dtype: Any
    #: Number of entries: sums and products of integers and fields of the same record, as "2 * max_nodes".
    length: str


_pools_of_dtype: dict[Any, dict[str, Pool]] = {}
_pools_of_type: dict[Any, dict[str, Pool]] = {}


def record(**fields: Any) -> "np.dtype[np.record]":
    """Declare a record type.

    Args:
        fields: Name and numpy type of each field, in order; a `Pool` for an array stored elsewhere.

    Returns:
        dtype of the record, in which addresses are int64.

    Examples:
        >>> SHOT = record(events=Pool(np.int64, "num_events"), num_events=np.int64)
        >>> SHOT.names
        ('events', 'num_events')
    """
    pools = {name: field for name, field in fields.items() if isinstance(field, Pool)}
    members = [(name, np.int64 if name in pools else field) for name, field in fields.items()]
    dtype: np.dtype[np.record] = np.dtype((np.record, members))  # type: ignore[assignment]
    _pools_of_dtype[dtype] = _pools_of_type[from_dtype(dtype)] = pools
    return dtype


def _evaluate(length: str, value_of: Callable[[int | str], Any], add: Any, multiply: Any) -> Any:
    """Evaluate a length expression, given the values of integers and names by `value_of`."""

    def value(node: ast.expr) -> Any:
        match node:
            case ast.Constant(int(number)):
                return value_of(number)
            case ast.Name(name):
                return value_of(name)
            case ast.BinOp(left, operator, right) if isinstance(operator, ast.Add | ast.Mult):
                combine = add if isinstance(operator, ast.Add) else multiply
                return combine(value(left), value(right))
        raise ValueError(f"length {length!r}: must consist of integers, fields, + and *")

    return value(_parse(length))


@cache
def _parse(length: str) -> ast.expr:
    return ast.parse(length, mode="eval").body


if interpreted:

    def record_at(address: int, dtype: Any) -> Any:
        """Return the record at an address."""
        bytes_of = (ctypes.c_char * np.dtype(dtype).itemsize).from_address(int(address))
        return np.frombuffer(bytes_of, dtype=dtype)[0]

    def pool(record: Any, name: str) -> Any:
        """Return the array to which a field of a record refers."""
        dtype, length = _pools_of_dtype[record.dtype][name]
        size = _evaluate(
            length, lambda key: key if isinstance(key, int) else int(record[key]), int.__add__, int.__mul__
        )
        bytes_of = (ctypes.c_char * (np.dtype(dtype).itemsize * size)).from_address(int(record[name]))
        return np.frombuffer(bytes_of, dtype=dtype)

else:

    def _member(context: Any, builder: Any, record_type: Any, record: Any, name: str) -> Any:
        offset, member = record_type.offset(name), record_type.typeof(name)
        pointer = cgutils.get_record_member(builder, record, offset, context.get_data_type(member))
        return context.unpack_value(builder, member, pointer, None if record_type.aligned else 1)

    @intrinsic
    def record_at(typing_context: Any, address: Any, dtype: Any) -> Any:
        """Return the record at an address."""
        record_type = dtype.dtype

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(record_type))

        return record_type(types.int64, dtype), generate

    @intrinsic(prefer_literal=True)
    def pool(typing_context: Any, record: Any, name: Any) -> Any:
        """Return the array to which a field of a record refers."""
        field = str(getattr(name, "literal_value", name))
        declared = _pools_of_type.get(record, {}).get(field)
        if declared is None:
            raise TypingError(f"pool({record}, {name}): must be a record and the name of one of its pools")
        item = from_dtype(np.dtype(declared.dtype))
        array_type = types.Array(item, 1, "C", aligned=True)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def value_of(key: int | str) -> Any:
                if isinstance(key, int):
                    return ir.Constant(ir.IntType(64), key)
                return _member(context, builder, record, arguments[0], key)

            size = _evaluate(declared.length, value_of, builder.add, builder.mul)
            address = _member(context, builder, record, arguments[0], field)
            item_size = context.get_constant(types.intp, np.dtype(declared.dtype).itemsize)
            array = make_array(array_type)(context, builder)
            populate_array(
                array,
                data=builder.inttoptr(address, array.data.type),
                shape=[size],
                strides=[item_size],
                itemsize=item_size,
                meminfo=None,
            )
            return array._getvalue()

        return array_type(record, name), generate
