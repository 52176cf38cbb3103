"""Compiled samplers: rare errors over long memories, bursts, splitting, leakage."""

from qec.sampling.bursts import Burst, BurstModel
from qec.sampling.chain import ChainShots, WindowCounts
from qec.sampling.detectors import DetectorSampler
from qec.sampling.errors import ErrorList
from qec.sampling.leakage import LeakageModel, LeakageSampler, LeakageShots
from qec.sampling.rare_failures import (
    RareFailures,
    SplittingTask,
    estimate_rare_failures,
    run_splitting_task,
)
from qec.sampling.splitting import Splitting, SplittingResult

__all__ = [
    "Burst",
    "BurstModel",
    "ChainShots",
    "DetectorSampler",
    "ErrorList",
    "LeakageModel",
    "LeakageSampler",
    "LeakageShots",
    "RareFailures",
    "Splitting",
    "SplittingResult",
    "SplittingTask",
    "WindowCounts",
    "estimate_rare_failures",
    "run_splitting_task",
]
