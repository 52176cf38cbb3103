"""Exact likelihoods of all logical classes for every syndrome of a small model."""

import numpy as np
from numpy.typing import NDArray

from decoders.model.mechanisms import ErrorModel
from decoders.trellis.kernels import likelihoods

# Largest number of detectors plus observables: a table of 2 MiB.
_MAX_BITS = 18
# Largest product of entries and mechanisms: tables are built in about 0.1 s.
_MAX_WORK = 1 << 26


class LikelihoodTable:
    """The probability of each pair of syndrome and class, by a sum over all errors.

    The mechanisms are convolved one by one with the distribution of flips (all terms are positive, so every
    entry is accurate to rounding).

    Args:
        model: the errors; see `fits` for the admissible size.
    """

    def __init__(self, model: ErrorModel) -> None:
        self.num_detectors, self.num_observables = model.num_detectors, model.num_observables
        table = np.zeros(1 << (model.num_detectors + model.num_observables))
        table[0] = 1.0
        mechanisms = model.mechanisms
        for detectors, words, odds in zip(
            mechanisms.detectors, mechanisms.observables.tolist(), mechanisms.odds.tolist(), strict=True
        ):
            mask = sum(1 << detector for detector in detectors)
            mask |= sum(word << 64 * place for place, word in enumerate(words)) << model.num_detectors
            likelihoods.add_mechanism(table, mask, odds / (1 + odds))
        #: float64 (classes, syndromes): probabilities, without certain flips.
        self.probability = table.reshape(1 << model.num_observables, 1 << model.num_detectors)
        self._best = self.probability.argmax(axis=0)
        self._gaps: NDArray[np.float64] | None = None

    @staticmethod
    def fits(model: ErrorModel) -> bool:
        """Return whether the table of a model is small and quick to build."""
        bits = model.num_detectors + model.num_observables
        return bits <= _MAX_BITS and len(model.mechanisms.detectors) << bits <= _MAX_WORK

    def decode(self, shots: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Look up the most likely class.

        Args:
            shots: uint8 (shots, ceil(detectors / 8)), bit-packed, without certain flips.

        Returns:
            uint64 (shots, words): observables of the class; bool (shots,): whether any error explains the
            shot.
        """
        syndromes = self._syndromes(shots)
        best = self._best[syndromes]
        words = min(1, self.num_observables)
        flips = np.repeat(best.astype(np.uint64)[:, np.newaxis], words, axis=1)
        return flips, self.probability[best, syndromes] > 0

    def gaps(self, shots: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Look up log(probability of the best class / probability of the best that differs).

        Args:
            shots: as in `decode`.

        Returns:
            float64 (shots, observables), infinite where no error gives the opposite; undefined for shots
            that no error explains.
        """
        if self._gaps is None:
            self._gaps = np.zeros((self.probability.shape[1], self.num_observables))
            with np.errstate(divide="ignore", invalid="ignore"):
                for observable in range(self.num_observables):
                    pairs = self.probability.reshape(-1, 2, 1 << observable, self.probability.shape[1])
                    most = np.log(pairs.max(axis=(0, 2)))
                    self._gaps[:, observable] = np.abs(most[0] - most[1])
        return self._gaps[self._syndromes(shots)]

    def _syndromes(self, shots: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Convert bit-packed shots to integers."""
        place = 1 << (8 * np.arange(shots.shape[1], dtype=np.int64))
        return shots.astype(np.int64) @ place
