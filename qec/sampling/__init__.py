"""Our own samplers, compiled: rare errors over long memories, bursts, leakage."""

from qec.sampling.bursts import Burst, BurstModel
from qec.sampling.chain import ChainShots, WindowCounts
from qec.sampling.detectors import DetectorSampler
from qec.sampling.errors import ErrorList

__all__ = ["Burst", "BurstModel", "ChainShots", "DetectorSampler", "ErrorList", "WindowCounts"]
