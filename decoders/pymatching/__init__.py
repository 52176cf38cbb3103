"""`Matching` with the interface of PyMatching's, on the decoders of this package."""

from decoders.pymatching.matching import Matching
from decoders.pymatching.noise import rand_float, randomize, set_seed

__all__ = ["Matching", "rand_float", "randomize", "set_seed"]
