"""Solutions of syndromes by linear algebra over GF(2), for shots where the beam found none."""

from decoders.model.mechanisms import ErrorModel


class ErrorBasis:
    """A basis of the syndromes of errors, made of the most likely mechanisms.

    Gaussian elimination processes the mechanisms by descending odds, as in ordered-statistics decoding of
    order zero (Panteleev, Kalachev, arXiv 1904.02703).
    """

    def __init__(self, model: ErrorModel) -> None:
        mechanisms = model.mechanisms
        #: Highest detector -> reduced syndrome and its observables, both as bits of an integer.
        self._rows: dict[int, tuple[int, int]] = {}
        #: Highest observable -> observables flipped by an error set without detection events.
        self._undetectable: dict[int, int] = {}
        words = mechanisms.observables.tolist()
        order = sorted(range(len(words)), key=lambda number: -mechanisms.odds[number])
        for number in order:
            syndrome = sum(1 << detector for detector in mechanisms.detectors[number])
            flips = sum(word << 64 * place for place, word in enumerate(words[number]))
            rest, flips = self._reduce(syndrome, flips)
            if rest:
                self._rows[rest.bit_length() - 1] = rest, flips
            elif flips := self._reduce_class(flips):
                self._undetectable[flips.bit_length() - 1] = flips
            if len(self._rows) == model.num_detectors and len(self._undetectable) == model.num_observables:
                break

    def observables_of(self, events: list[int]) -> int | None:
        """Return the observables, as bits, of an error set with these detection events; None without one."""
        rest, flips = self._reduce(sum(1 << detector for detector in events), 0)
        return None if rest else flips

    def are_alternatives(self, one: int, other: int) -> bool:
        """Return whether two classes have error sets with equal detection events, if either has any."""
        return self._reduce_class(one ^ other) == 0

    def _reduce_class(self, flips: int) -> int:
        while flips and (row := self._undetectable.get(flips.bit_length() - 1)):
            flips ^= row
        return flips

    def _reduce(self, syndrome: int, flips: int) -> tuple[int, int]:
        while syndrome and (row := self._rows.get(syndrome.bit_length() - 1)):
            syndrome ^= row[0]
            flips ^= row[1]
        return syndrome, flips
