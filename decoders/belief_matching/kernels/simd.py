"""SIMD vectors: one float32 of each of LANES shots, processed by one instruction.

Arrays of vectors are float32 arrays with LANES numbers per vector; `load(array, place)` and
`store(array, place, vector)` count in vectors. Vectors support +, -, *, / and the functions of this module.
They are explicit machine vectors because compilers do not reliably vectorise loops over so few lanes. With
`NUMBA_DISABLE_JIT=1` a vector is a numpy array, and the same kernels run on it.
"""

import operator
from typing import Any

import numpy as np

from decoders.kernels.jit import config, interpreted, kernel

LANES = 8
_checked = bool(config.BOUNDSCHECK)

if interpreted:

    def load(array: Any, place: Any) -> Any:
        """Load the vector at an index."""
        found = array[place * LANES : place * LANES + LANES].copy()
        if found.size < LANES or place < 0:
            raise IndexError(f"place {place} of {array.size // LANES}")
        return found

    def store(array: Any, place: Any, vector: Any) -> None:
        """Store a vector at an index."""
        load(array, place)
        array[place * LANES : place * LANES + LANES] = vector

    def broadcast(number: Any) -> Any:
        """Return a vector of equal numbers."""
        return np.full(LANES, number, dtype=np.float32)

    def minimum(one: Any, other: Any) -> Any:
        """Return the lane-wise minimum."""
        return np.minimum(one, other)

    def maximum(one: Any, other: Any) -> Any:
        """Return the lane-wise maximum."""
        return np.maximum(one, other)

    def apply_sign(number: Any, other: Any) -> Any:
        """Return `number`, lane by lane with the opposite sign where `other` is negative."""
        return np.where(np.signbit(other), -number, number)

    def select(flags: Any, yes: Any, no: Any) -> Any:
        """Select lane by lane: `yes` where the flag is positive, else `no`."""
        return np.where(flags > 0, yes, no)

    def exponent_of(number: Any) -> Any:
        """Return the integer e for which a positive number is m * 2**e with m from sqrt(1/2) to sqrt(2)."""
        mantissa, exponent = np.frexp(number)
        return np.where(mantissa < np.float32(np.sqrt(0.5)), exponent - 1, exponent).astype(np.float32)

    def mantissa_of(number: Any) -> Any:
        """Return the number m of `exponent_of`."""
        return np.ldexp(number, -exponent_of(number).astype(np.int32))

    def store_even(array: Any, place: Any, vector: Any) -> None:
        """Store twice the integer part of a vector at an index of an int32 array."""
        load(array, place)
        array[place * LANES : place * LANES + LANES] = 2 * vector.astype(np.int32)

else:
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

    class _Vector(types.Type):
        """Numba's name for a vector."""

        def __init__(self) -> None:
            super().__init__(name=f"float32x{LANES}")

    _vector = _Vector()
    _machine = ir.VectorType(ir.FloatType(), LANES)
    _whole_machine = ir.VectorType(ir.IntType(32), LANES)
    _HALF_ROOT = 0x3F3504F3  # sqrt(1/2) as bits; 23 bits of them are the mantissa

    @register_model(_Vector)
    class _Model(models.PrimitiveModel):
        def __init__(self, manager: Any, fe_type: Any) -> None:
            super().__init__(manager, fe_type, _machine)

    def _arithmetic(function: Any, instruction: str) -> None:
        @type_callable(function)
        def _type(context: Any) -> Any:
            def typer(one: Any, other: Any) -> Any:
                return _vector if one == other == _vector else None

            return typer

        @lower_builtin(function, _Vector, _Vector)  # type: ignore[untyped-decorator]
        def _lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments)

    for _function, _instruction in [
        (operator.add, "fadd"),
        (operator.sub, "fsub"),
        (operator.mul, "fmul"),
        (operator.truediv, "fdiv"),
    ]:
        _arithmetic(_function, _instruction)

    def _address(
        context: Any, builder: Any, array_type: Any, array: Any, place: Any, machine: Any = _machine
    ) -> Any:
        data = context.make_array(array_type)(context, builder, array).data
        start = builder.mul(place, ir.Constant(place.type, LANES))
        return builder.bitcast(builder.gep(data, [start]), machine.as_pointer())

    def _whole(number: int) -> Any:
        return ir.Constant(_whole_machine, [ir.Constant(ir.IntType(32), number)] * LANES)

    @intrinsic
    def _load(typing_context, array, place):
        def generate(context, builder, signature, arguments):
            address = _address(context, builder, signature.args[0], *arguments)
            return builder.load(address, align=4)

        return _vector(array, types.intp), generate

    @intrinsic
    def _store(typing_context, array, place, vector):
        def generate(context, builder, signature, arguments):
            address = _address(context, builder, signature.args[0], *arguments[:2])
            builder.store(arguments[2], address, align=4)
            return context.get_dummy_value()

        return types.void(array, types.intp, _vector), generate

    @kernel
    def load(array, place):
        """Load the vector at an index."""
        if _checked:
            array[place * LANES + LANES - 1]
        return _load(array, place)  # type: ignore[call-arg]

    @kernel
    def store(array, place, vector):  # type: ignore[misc]
        """Store a vector at an index."""
        if _checked:
            array[place * LANES + LANES - 1]
        _store(array, place, vector)  # type: ignore[call-arg]

    @intrinsic
    def broadcast(typing_context, number):
        """Return a vector of equal numbers."""

        def generate(context, builder, signature, arguments):
            vector = ir.Constant(_machine, ir.Undefined)
            for lane in range(LANES):
                vector = builder.insert_element(vector, arguments[0], ir.Constant(ir.IntType(32), lane))
            return vector

        return _vector(types.float32), generate

    def _named(name: str) -> Any:
        def generate(context, builder, signature, arguments):
            function_type = ir.FunctionType(_machine, [_machine, _machine])
            function = cgutils.get_or_insert_function(
                builder.module, function_type, f"llvm.{name}.v{LANES}f32"
            )
            return builder.call(function, arguments)

        return generate

    @intrinsic
    def minimum(typing_context, one, other):
        """Return the lane-wise minimum."""
        return _vector(_vector, _vector), _named("minnum")

    @intrinsic
    def maximum(typing_context, one, other):
        """Return the lane-wise maximum."""
        return _vector(_vector, _vector), _named("maxnum")

    @intrinsic
    def apply_sign(typing_context, number, other):
        """Return `number`, lane by lane with the opposite sign where `other` is negative."""

        def generate(context, builder, signature, arguments):
            bits, other_bits = [builder.bitcast(argument, _whole_machine) for argument in arguments]
            sign = builder.and_(other_bits, _whole(1 << 31))
            return builder.bitcast(builder.xor(bits, sign), _machine)

        return _vector(_vector, _vector), generate

    @intrinsic
    def select(typing_context, flags, yes, no):
        """Select lane by lane: `yes` where the flag is positive, else `no`."""

        def generate(context, builder, signature, arguments):
            none = ir.Constant(_machine, [ir.Constant(ir.FloatType(), 0.0)] * LANES)
            return builder.select(builder.fcmp_ordered(">", arguments[0], none), *arguments[1:])

        return _vector(_vector, _vector, _vector), generate

    def _exponent(builder: Any, bits: Any) -> Any:
        return builder.ashr(builder.sub(bits, _whole(_HALF_ROOT)), _whole(23))

    @intrinsic
    def exponent_of(typing_context, number):
        """Return the integer e for which a positive number is m * 2**e with m from sqrt(1/2) to sqrt(2)."""

        def generate(context, builder, signature, arguments):
            bits = builder.bitcast(arguments[0], _whole_machine)
            return builder.sitofp(_exponent(builder, bits), _machine)

        return _vector(_vector), generate

    @intrinsic
    def mantissa_of(typing_context, number):
        """Return the number m of `exponent_of`."""

        def generate(context, builder, signature, arguments):
            bits = builder.bitcast(arguments[0], _whole_machine)
            shift = builder.shl(_exponent(builder, bits), _whole(23))
            return builder.bitcast(builder.sub(bits, shift), _machine)

        return _vector(_vector), generate

    @intrinsic
    def _store_even(typing_context, array, place, vector):
        def generate(context, builder, signature, arguments):
            address = _address(
                context, builder, signature.args[0], arguments[0], arguments[1], _whole_machine
            )
            whole = builder.fptosi(arguments[2], _whole_machine)
            builder.store(builder.add(whole, whole), address, align=4)
            return context.get_dummy_value()

        return types.void(array, types.intp, _vector), generate

    @kernel
    def store_even(array, place, vector):  # type: ignore[misc]
        """Store twice the integer part of a vector at an index of an int32 array."""
        if _checked:
            array[place * LANES + LANES - 1]
        _store_even(array, place, vector)  # type: ignore[call-arg]


@kernel
def logarithm(number):
    """Return the natural logarithm of positive numbers, accurate to about 1e-7."""
    one, mantissa = broadcast(np.float32(1)), mantissa_of(number)
    s = (mantissa - one) / (mantissa + one)  # |s| <= 0.172: few terms of the artanh series suffice
    square = s * s
    series = broadcast(np.float32(2 / 5)) + square * broadcast(np.float32(2 / 7))
    series = broadcast(np.float32(2)) + square * (broadcast(np.float32(2 / 3)) + square * series)
    return exponent_of(number) * broadcast(np.float32(0.6931471805599453)) + s * series
