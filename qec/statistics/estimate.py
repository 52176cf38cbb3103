"""Estimates: values with confidence intervals."""

import math
from dataclasses import dataclass

from scipy.special import ndtri


@dataclass(frozen=True)
class Estimate:
    """Value and the ends of its confidence interval.

    `low` and `high` may be infinite. `value` is NaN if the data determine no value (for example Lambda
    without an error at any distance); the interval still excludes values.

    Attributes:
        value: Point estimate, usually of maximum likelihood.
        low: Lower end of the interval.
        high: Upper end of the interval.
        confidence: Probability with which intervals built this way contain the truth (by default
            0.95; 0.6827 is "one sigma").

    Raises:
        ValueError: If not low <= value <= high, or the confidence is not between 0 and 1.
    """

    value: float
    low: float
    high: float
    confidence: float = 0.95

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        inside = math.isnan(self.value) or self.low <= self.value <= self.high
        if not (self.low <= self.high and inside):
            raise ValueError(
                f"an estimate needs low <= value <= high, got value {self.value}, "
                f"interval [{self.low}, {self.high}]"
            )

    @property
    def minus(self) -> float:
        """Length of the lower error bar."""
        return self.value - self.low

    @property
    def plus(self) -> float:
        """Length of the upper error bar."""
        return self.high - self.value


def check_confidence(confidence: float) -> None:
    """Raise ValueError unless 0 < confidence < 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1 (such as 0.68 or 0.95), got {confidence}")


def sigmas_of(*, confidence: float) -> float:
    """Compute the half width of a two-sided normal interval in standard deviations: 1.96 for 0.95."""
    check_confidence(confidence)
    return float(ndtri((1 + confidence) / 2))


def likelihood_factor_of(*, confidence: float) -> float:
    """Compute the factor by which the likelihood falls at the ends of an interval: 6.83 for confidence 0.95.

    By Wilks' theorem twice the decrease of the log-likelihood is chi-squared with one degree of freedom, so
    the relation is exact for many counts and approximate for few.
    """
    return math.exp(sigmas_of(confidence=confidence) ** 2 / 2)


def confidence_of(*, likelihood_factor: float) -> float:
    """Compute the inverse of `likelihood_factor_of`: 0.9998 for a factor of 1000.

    Raises:
        ValueError: If the factor is not a finite number above 1.
    """
    if not 1 < likelihood_factor < math.inf:
        raise ValueError(f"likelihood_factor must be a finite number above 1, got {likelihood_factor}")
    return math.erf(math.sqrt(math.log(likelihood_factor)))
