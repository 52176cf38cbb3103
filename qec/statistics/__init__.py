"""From counts to rates with intervals: error per shot and per cycle, Lambda, detection fractions."""

from qec.statistics import soft
from qec.statistics.average import average, positive_mean
from qec.statistics.binomial import logical_error_rate
from qec.statistics.bootstrap import bootstrap_error_per_cycle, bootstrap_suppression
from qec.statistics.conversion import per_cycle, per_shot
from qec.statistics.counts import Counts
from qec.statistics.counts_table import read_counts
from qec.statistics.cycle_fit import CycleFit, error_per_cycle
from qec.statistics.detection import (
    detection_fraction,
    detection_fraction_by_cycle,
    detection_fraction_by_stabilizer,
)
from qec.statistics.estimate import Estimate, confidence_of, likelihood_factor_of
from qec.statistics.suppression import SuppressionFit, suppression_factor

__all__ = [
    "Counts",
    "CycleFit",
    "Estimate",
    "SuppressionFit",
    "average",
    "bootstrap_error_per_cycle",
    "bootstrap_suppression",
    "confidence_of",
    "detection_fraction",
    "detection_fraction_by_cycle",
    "detection_fraction_by_stabilizer",
    "error_per_cycle",
    "likelihood_factor_of",
    "logical_error_rate",
    "per_cycle",
    "per_shot",
    "positive_mean",
    "read_counts",
    "soft",
    "suppression_factor",
]
