"""Numbers with their intervals as short labels for figures, in matplotlib's math text."""

import math

from qec.statistics import Estimate


def suppression_label(value: Estimate) -> str:
    """Lambda: value and interval, or the one end that is known."""
    if math.isnan(value.value):
        return "Λ unknown"
    if math.isinf(value.value):
        return f"Λ > {value.low:.2g}"
    if value.value == 0:
        return f"Λ < {value.high:.2g}"
    return f"Λ = {with_interval(value)}"


def epsilon_label(epsilon: Estimate) -> str:
    """Logical error per cycle: value and interval, or the upper end where the value is zero."""
    name = r"$\varepsilon$"
    if epsilon.low == 0 and epsilon.high >= 0.5:
        return f"{name} unknown"
    if epsilon.value == 0:
        return f"{name} < {power_label(epsilon.high, digits=2)}"
    if epsilon.value >= 0.1:
        return f"{name} = {with_interval(epsilon)}"
    exponent = math.floor(math.log10(epsilon.value))
    scale = 10.0**exponent
    scaled = Estimate(
        epsilon.value / scale, epsilon.low / scale, epsilon.high / scale, confidence=epsilon.confidence
    )
    words = with_interval(scaled)
    return rf"{name} = {f'({words})' if '±' in words else words} $\times\,10^{{{exponent}}}$"


def with_interval(estimate: Estimate) -> str:
    """`2.04 ± 0.02` where the interval is narrow and nearly symmetric, else `2.01 [1.42, 3.05]`."""
    half = max(estimate.plus, estimate.minus)
    if half == 0 or not math.isfinite(half):
        return f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"
    # Two digits of the uncertainty where the first is a 1, else one.
    digits = -math.floor(math.log10(half))
    digits = max(0, digits + (half * 10.0**digits < 1.95))
    if half < estimate.value / 2 and abs(estimate.plus - estimate.minus) < 0.3 * half:
        return f"{estimate.value:.{digits}f} ± {half:.{digits}f}"
    digits = max(0, 1 - math.floor(math.log10(half)))
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def power_label(value: float, *, digits: int = 1) -> str:
    """A positive number as mantissa times power of ten; a mantissa of 1 is left out."""
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = f"{value / 10.0**exponent:.{digits}g}"
    if mantissa == "1":
        return rf"$10^{{{exponent}}}$"
    return rf"${mantissa}\times 10^{{{exponent}}}$"
