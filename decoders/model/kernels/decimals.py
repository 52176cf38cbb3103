"""Parser of decimal numbers in the bytes of a text, rounded as by Python's float()."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.jit import kernel

_DOT = ord(".")
_MINUS = ord("-")
_ZERO, _NINE = ord("0"), ord("9")
_EXPONENT = ord("e")

_STEP = 22  # the largest power of ten that is a float64 exactly
_POWERS = np.array([10.0**k for k in range(_STEP + 1)])
_SPLIT = 134217729.0  # 2**27 + 1, cuts a float64 into two halves whose products are exact
_MAX_DIGITS = 18  # more digits overflow int64; a float64 needs 17


@kernel
def scale(mantissa: int, exponent: int) -> float:
    """Return mantissa times ten to the exponent, rounded as float() rounds the text of a float64.

    The quotient carries its remainder (double-double), so its error is far below the distance between the 19
    printed digits and the nearest rounding limit of a float64.
    """
    high = float(mantissa)
    low = float(mantissa - int(high))
    while exponent < 0:
        step = min(-exponent, _STEP)
        power = _POWERS[step]
        quotient = high / power
        a = _SPLIT * quotient
        a_high = a - (a - quotient)
        a_low = quotient - a_high
        b = _SPLIT * power
        b_high = b - (b - power)
        b_low = power - b_high
        product = quotient * power
        product_error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
        low = (((high - product) - product_error) + low) / power
        high = quotient
        exponent += step
    value = high + low
    while exponent > 0:
        step = min(exponent, _STEP)
        value *= _POWERS[step]
        exponent -= step
    return value


@kernel
def read_integer(text: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """Read the digits at position `at` of uint8 text; return the value and the position after them."""
    value: Any = 0
    while at < text.size and _ZERO <= text[at] <= _NINE:
        value = 10 * value + (np.int64(text[at]) - _ZERO)
        at += 1
    return value, at


@kernel
def read_number(text: NDArray[np.uint8], at: int) -> tuple[float, int]:
    """Read the decimal number at position `at` of uint8 text; return the value and the position after it."""
    sign = 1.0
    if text[at] == _MINUS:
        sign = -1.0
        at += 1
    mantissa: Any = np.int64(0)
    num_digits = 0
    exponent = 0
    behind_dot = False
    while at < text.size:
        char = text[at]
        if _ZERO <= char <= _NINE:
            if num_digits < _MAX_DIGITS:
                mantissa = 10 * mantissa + (np.int64(char) - _ZERO)
                exponent -= behind_dot
            else:
                exponent += not behind_dot
            num_digits += mantissa > 0  # leading zeros do not count
        elif char == _DOT:
            behind_dot = True
        else:
            break
        at += 1
    if at < text.size and text[at] == _EXPONENT:
        negative = text[at + 1] == _MINUS
        size, at = read_integer(text, at + 2)
        exponent += -size if negative else size
    if exponent == 0 or mantissa == 0:
        return sign * float(mantissa), at
    return sign * scale(mantissa, exponent), at
