"""Comparison of replayed answers with the recorded ones, shot by shot."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.common.terminal import table
from realtime.source.recording import Recording

#: Corrections of some shots, bit-packed; None where a shot has none.
Corrections = Sequence[bytes | None]
_MAX_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Counts of shots by how two corrections of each compare.

    Attributes:
        name: of what was compared with the recording.
        equal: shots with equal corrections.
        different: numbers of the shots with different corrections.
        only_recorded, only_replayed: numbers of the shots with one correction.
        neither: shots without any.
        errors_recorded, errors_replayed: corrections that are not the true flips; 0 where these are unknown.
        is_known: whether the true flips of some shots are known.
    """

    name: str
    equal: int
    different: tuple[int, ...]
    only_recorded: tuple[int, ...]
    only_replayed: tuple[int, ...]
    neither: int
    errors_recorded: int
    errors_replayed: int
    is_known: bool

    @classmethod
    def of(
        cls,
        name: str,
        *,
        recorded: Corrections,
        replayed: Corrections,
        true: Corrections,
        numbers: Sequence[int],
    ) -> "Comparison":
        """Compare.

        Args:
            name: of what was compared with the recording.
            recorded, replayed, true: one entry for each shot; true flips are None where unknown.
            numbers: of the shots, for messages.
        """
        kinds = [_kind(a, b) for a, b in zip(recorded, replayed, strict=True)]

        def of_kind(kind: str) -> tuple[int, ...]:
            return tuple(number for number, found in zip(numbers, kinds, strict=True) if found == kind)

        return cls(
            name=name,
            equal=kinds.count("equal"),
            different=of_kind("different"),
            only_recorded=of_kind("only recorded"),
            only_replayed=of_kind("only replayed"),
            neither=kinds.count("neither"),
            errors_recorded=_errors(recorded, true),
            errors_replayed=_errors(replayed, true),
            is_known=any(flips is not None for flips in true),
        )

    @property
    def num_shots(self) -> int:
        """Number of shots."""
        apart = len(self.different) + len(self.only_recorded) + len(self.only_replayed)
        return self.equal + self.neither + apart

    def agrees(self, *, allowed: float) -> bool:
        """Return whether recorded corrections were repeated, but for this fraction of all shots."""
        return len(self.different) + len(self.only_recorded) <= allowed * self.num_shots


def _kind(recorded: bytes | None, replayed: bytes | None) -> str:
    if recorded is None:
        return "neither" if replayed is None else "only replayed"
    if replayed is None:
        return "only recorded"
    return "equal" if recorded == replayed else "different"


def _errors(corrections: Corrections, true: Corrections) -> int:
    pairs = zip(corrections, true, strict=True)
    return sum(found is not None and flips is not None and found != flips for found, flips in pairs)


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """Format comparisons as a table, and the numbers of the first shots that differ."""
    titles = ["decoder", "shots", "equal", "different", "only recorded", "only replayed", "neither"]
    has_errors = any(one.is_known for one in comparisons)
    if has_errors:
        titles.append("errors")
    rows = []
    for one in comparisons:
        counts = [one.num_shots, one.equal, len(one.different), len(one.only_recorded)]
        counts += [len(one.only_replayed), one.neither]
        errors = [f"{one.errors_recorded:,} / {one.errors_replayed:,}"] if has_errors else []
        rows.append([one.name, *(f"{count:,}" for count in counts), *errors])
    lines = [table(titles, rows, left=1)]
    if has_errors:
        lines.append("errors: logical errors of the recorded / of the replayed corrections")
    for one in comparisons:
        for what, shots in (("different", one.different), ("only recorded", one.only_recorded)):
            if shots:
                shown = ", ".join(map(str, shots[:_MAX_SHOWN]))
                more = f" and {len(shots) - _MAX_SHOWN:,} more" if len(shots) > _MAX_SHOWN else ""
                lines.append(f"{one.name}: {what} in shot {shown}{more}")
    return "\n".join(lines)


def recording_summary(recording: Recording) -> str:
    """Format what a recording holds, in one line."""
    statuses = Counter(
        "without answer" if answer is None else answer.status
        for group in recording.groups
        for answer in group.answers
    )
    lengths = " or ".join(f"{group.playlist.num_cycles:,}" for group in recording.groups)
    words = [f"{count:,} {status}" for status, count in statuses.most_common()]
    if recording.num_incomplete:
        words.append(f"{recording.num_incomplete:,} incomplete")
    if recording.num_missing:
        words.append(f"{recording.num_missing:,} messages not recorded")
    return f"{recording.num_shots:,} shots of {lengths} cycles: {', '.join(words)}"
