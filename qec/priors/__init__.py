"""Error rates learned from detection events: pair correlations, and all rates of a detector error model."""

from qec.priors.comparison import chi_square_per_pair
from qec.priors.correlations import PairCorrelations, pair_correlations
from qec.priors.fitting import Spread
from qec.priors.learning import SPREADS, LearnedModel, learn_error_model, learn_halves
from qec.priors.uncertainty import standard_errors

__all__ = [
    "SPREADS",
    "LearnedModel",
    "PairCorrelations",
    "Spread",
    "chi_square_per_pair",
    "learn_error_model",
    "learn_halves",
    "pair_correlations",
    "standard_errors",
]
