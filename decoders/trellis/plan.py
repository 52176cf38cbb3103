"""Order in which detectors and mechanisms are processed, and the memory of a beam."""

import heapq
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.matching.workspace import Pools
from decoders.model.mechanisms import ErrorModel, Mechanisms
from decoders.model.rounds import cycle_of_detectors
from decoders.trellis.kernels import layout

# The heuristic of a fired detector is exp(-w * _PRICE / k), maximised over mechanisms of weight w and k
# detectors. With _PRICE = 1 it is an upper bound (that of Tesseract, arXiv 2503.10988); larger values rank
# states more accurately, because few errors attain the bound.
_PRICE = 1.6
# In a full beam no state is created whose rank is below this fraction of the last one's: few would be kept.
_CREATION_THRESHOLD = 0.3
# Heuristic of a detector that no remaining mechanism flips.
_NONE = 1e-26
# Lower limit of odds in the heuristic, so that products stay in the range of a float64.
_LEAST_ODDS = 1e-100
# Most pairs of detectors in one error, of all errors of this many detectors: some seconds.
_LONG, _MAX_PAIRS = 100, 2e7
# Detectors of this many mechanisms are closed last.
_HUB = 1000
# Largest product of mechanisms and words of a state: 0.3 GB for each order, and minutes for some shots.
_MAX_WORDS = 1 << 25
# Larger spreads are treated as infinite, for the same reason.
_LARGEST_SPREAD = 600.0


class TrellisPlan(Pools):
    """A sweep over the mechanisms in one order of the detectors; read-only after construction.

    Args:
        mechanisms: the errors.
        order: int64 (num_detectors,): detectors in the order in which they are closed.
    """

    def __init__(self, *, mechanisms: Mechanisms, order: NDArray[np.int64]) -> None:
        super().__init__(layout.SWEEP)
        num_detectors = order.size
        place = np.empty(num_detectors, dtype=np.int64)
        place[order] = np.arange(num_detectors)
        members: list[list[tuple[float, list[int], int]]] = [[] for _ in range(num_detectors)]
        for number, detectors in enumerate(mechanisms.detectors):
            if detectors:
                steps = sorted(place[list(detectors)].tolist())
                members[steps[0]].append((-float(mechanisms.odds[number]), steps, number))
        for group in members:
            group.sort()
        allocation = _BitAllocation(members)
        open_words = max(1, (allocation.count + 63) // 64)
        flip_words = mechanisms.observables.shape[1]
        words = open_words + flip_words
        heuristics = _Heuristics(members)

        openings: list[tuple[int, int, int]] = []
        changes: list[tuple[int, int, float]] = []
        links: list[tuple[int, int, float, float]] = []
        rows: list[tuple[float, float, float, int, int]] = []
        numbers: list[int] = []  # of the mechanisms, in their order here
        columns: dict[str, list[Any]] = {name: [] for name in layout.STEP.names or ()}
        mask_bits: list[tuple[int, int, int]] = []  # index, word, bit
        step_bits: list[tuple[int, int, int]] = []
        for step, group in enumerate(members):
            columns["first_new"].append(len(openings))
            columns["first_mechanism"].append(len(rows))
            columns["first_change"].append(len(changes))
            openings += [(int(order[new]), *allocation.place(new)) for new in allocation.new[step]]
            touched = {step, *(other for _, steps, _ in group for other in steps)}
            for other in touched:
                word, bit = allocation.place(other)
                step_bits.append((step, word, bit))
                after = heuristics.after(other, step)
                if other != step and after != heuristics.before(other, step):
                    changes.append((word, bit, after / heuristics.before(other, step)))
            quiet = 0.0
            own = heuristics.before(step, step)
            for index, (negative, steps, number) in enumerate(group):
                late = heuristics.late(step, index)
                first = len(links)
                likelihood = -negative * late
                for other in steps[1:]:
                    heuristic = heuristics.before(other, step)
                    likelihood *= heuristic
                    links.append((*allocation.place(other), heuristic, 1 / heuristic))
                mask_bits += [(len(rows), *allocation.place(other)) for other in steps]
                numbers.append(number)
                quiet = max(quiet, likelihood)
                rows.append((-negative, own, late, first, len(links)))
            word, bit = allocation.place(step)
            columns["word"].append(word)
            columns["bit"].append(bit)
            columns["idle_rank"].append(quiet)
            columns["last_new"].append(len(openings))
            columns["last_mechanism"].append(len(rows))
            columns["last_change"].append(len(changes))
        count = len(rows)
        steps_record = np.zeros(num_detectors, dtype=layout.STEP)
        for name, column in columns.items():
            steps_record[name] = column
        masks = np.zeros((count, words), dtype=np.uint64)
        masks[:, open_words:] = mechanisms.observables[numbers]
        _set_bits(masks, mask_bits)
        step_masks = np.zeros((num_detectors, open_words), dtype=np.uint64)
        _set_bits(step_masks, step_bits)
        #: Largest number of detectors that are open at the same time.
        self.num_open = allocation.count
        self.own(
            steps=steps_record,
            openings=np.array(openings, dtype=layout.OPENING),
            mechanisms=np.array(rows, dtype=layout.MECHANISM),
            links=np.array(links, dtype=layout.LINK),
            changes=np.array(changes, dtype=layout.CHANGE),
            masks=masks,
            step_masks=step_masks,
        )
        self.set(
            num_steps=num_detectors,
            num_openings=len(openings),
            num_mechanisms=count,
            num_links=len(links),
            num_changes=len(changes),
            open_words=open_words,
            words=words,
        )


def _set_bits(masks: NDArray[np.uint64], bits: list[tuple[int, int, int]]) -> None:
    """Set bits of masks, each given by row, word and value."""
    row, word, bit = np.array(bits, dtype=np.uint64).reshape(-1, 3).T
    np.bitwise_or.at(masks, (row.astype(np.int64), word.astype(np.int64)), bit)


def check_open(order: NDArray[np.int64], mechanisms: Mechanisms) -> None:
    """Refuse an order in which so many detectors are open at the same time that sweeps are not feasible.

    Args:
        order: int64 (num_detectors,): detectors in the order in which they are closed.
        mechanisms: the errors.

    Raises:
        ValueError: there are too many, for this number of mechanisms.
    """
    num_open = most_open(order, mechanisms)
    size = max(order.size, len(mechanisms.detectors))
    most = 64 * (_MAX_WORDS // max(size, 1))
    if num_open > most:
        raise ValueError(
            f"decoder 'trellis' keeps {num_open} detectors open at the same time, at most {most} are "
            f"supported for {size} detectors or errors: use gap=0, which leaves all shots to matching, or "
            "another decoder"
        )


class Beam(Pools):
    """Memory that a sweep writes to, for one thread.

    Args:
        plans: the sweeps that it serves.
        width: number of states that survive a step.
        spread: states are dropped if their rank is less than exp(-spread) of the best one's.
        decisive_gap: later sweeps are skipped if the best class leads by this much, in log-likelihood.
    """

    def __init__(
        self, plans: list[TrellisPlan], *, width: int, spread: float, decisive_gap: float = np.inf
    ) -> None:
        super().__init__(layout.BEAM)
        words = max(int(plan.record["words"][0]) for plan in plans)
        num_detectors = int(plans[0].record["num_steps"][0])
        class_words = words_of_class(plans[0])
        room = 8 * width + 64  # states of one step before selection
        max_classes = 64
        table_size = 1 << (2 * room - 1).bit_length()
        states = np.zeros(2 * room, dtype=layout.STATE)
        self.own(
            states=states,
            rank_bits=states.view(np.int64),
            keys=np.zeros(2 * room * words, dtype=np.uint64),
            table=np.zeros(table_size, dtype=layout.SLOT),
            with_event=np.zeros(room, dtype=np.int64),
            without=np.zeros(room, dtype=np.int64),
            counts=np.zeros(int(layout.NUM_BUCKETS) + 1, dtype=np.int64),
            any_fired=np.zeros(words, dtype=np.uint64),
            fired=np.zeros(num_detectors, dtype=np.uint8),
            class_flips=np.zeros(max_classes * class_words, dtype=np.uint64),
            class_score=np.zeros(max_classes),
        )
        self.set(
            room=room,
            words=words,
            table_size=table_size,
            num_detectors=num_detectors,
            max_classes=max_classes,
            class_words=class_words,
            width=width,
        )
        self.record["spread"] = np.exp(-min(spread, _LARGEST_SPREAD))
        self.record["decisive_gap"] = decisive_gap
        self.record["creation_threshold"] = _CREATION_THRESHOLD


def words_of_class(plan: TrellisPlan) -> int:
    """Return the number of words of the observables of a plan's states."""
    return int(plan.record["words"][0] - plan.record["open_words"][0])


class _BitAllocation:
    """Assignment of a bit to every detector while it is open.

    A detector is open from the first step that flips it to the step that closes it.
    """

    def __init__(self, members: list[list[tuple[float, list[int], int]]]) -> None:
        self.of = [-1] * len(members)
        #: Detectors opened by each step.
        self.new: list[list[int]] = []
        self.count = 0
        free: list[int] = []
        for step, group in enumerate(members):
            needed = sorted({step, *(other for _, steps, _ in group for other in steps)})
            self.new.append([other for other in needed if self.of[other] < 0])
            for other in self.new[-1]:
                if free:
                    self.of[other] = heapq.heappop(free)
                else:
                    self.of[other] = self.count
                    self.count += 1
            heapq.heappush(free, self.of[step])

    def place(self, detector: int) -> tuple[int, int]:
        """Return word and bit of a detector."""
        return self.of[detector] // 64, 1 << self.of[detector] % 64


class _Heuristics:
    """Heuristics of fired detectors, by the mechanisms that can still flip them."""

    def __init__(self, members: list[list[tuple[float, list[int], int]]]) -> None:
        # Per detector: before and after each step that can flip it. Per step: after each of its mechanisms.
        self._before: list[dict[int, float]] = [{} for _ in members]
        self._after: list[dict[int, float]] = [{} for _ in members]
        self._late: list[list[float]] = []
        current = [_NONE] * len(members)
        for step in reversed(range(len(members))):
            group = members[step]
            late = []
            touched = {other for _, steps, _ in group for other in steps}
            for other in touched:
                self._after[other][step] = current[other]
            for negative, steps, _ in reversed(group):
                late.append(current[step])
                heuristic = float(max(-negative, _LEAST_ODDS) ** (_PRICE / len(steps)))
                for other in steps:
                    current[other] = max(current[other], heuristic)
            self._late.append(late[::-1])
            for other in touched:
                self._before[other][step] = current[other]
        self._late.reverse()

    def before(self, detector: int, step: int) -> float:
        return self._before[detector].get(step, _NONE)

    def after(self, detector: int, step: int) -> float:
        return self._after[detector].get(step, _NONE)

    def late(self, step: int, index: int) -> float:
        return self._late[step][index]


def orders_of(model: ErrorModel, *, count: int) -> list[NDArray[np.int64]]:
    """Choose orders of the detectors: along each coordinate and back, fewest open detectors first.

    Ties are broken in favour of time. Without time coordinates: breadth first from one end of the graph of
    detectors that share mechanisms, and its reverse. Detectors of very many mechanisms are last in every
    order: all detectors that share a mechanism with a detector are open when it is closed.

    Args:
        model: the errors.
        count: number of orders.

    Returns:
        int64 (num_detectors,) each.
    """
    cycle = cycle_of_detectors(coordinates=model.coordinates)
    if (cycle >= 0).all() and model.num_detectors:
        place = np.nan_to_num(model.coordinates)
        axes = [cycle.astype(np.float64), *(place[:, axis] for axis in range(min(2, place.shape[1] - 1)))]
        ways = [np.lexsort([*axes[1:][::-1], axes[0]])]
        for axis in range(1, len(axes)):
            others = [axes[other] for other in range(len(axes)) if other != axis]
            ways.append(np.lexsort([*others[::-1], axes[axis]]))
        ways.sort(key=lambda way: most_open(way, model.mechanisms))
    else:
        ways = [_breadth_first_order(model.num_detectors, model.mechanisms)]
    detectors, _ = _flattened(model.mechanisms)
    hubs = np.bincount(detectors, minlength=model.num_detectors) >= _HUB
    both: list[Any] = [way for forward in ways for way in (forward, forward[::-1])]
    both = [np.concatenate([way[~hubs[way]], way[hubs[way]]]) for way in both[:count]]
    return [np.ascontiguousarray(way, dtype=np.int64) for way in both]


def most_open(order: NDArray[np.int64], mechanisms: Mechanisms) -> int:
    """Count the detectors that are open at the same time at most, as in `TrellisPlan.num_open`.

    Args:
        order: int64 (num_detectors,): detectors in the order in which they are closed.
        mechanisms: the errors.
    """
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    detectors, starts = _flattened(mechanisms)
    steps = place[detectors]
    opened = np.arange(order.size)  # by place: the step that opens the detector
    if steps.size:
        first = np.minimum.reduceat(steps, starts)
        np.minimum.at(opened, steps, np.repeat(first, np.diff(starts, append=steps.size)))
    opening = np.bincount(opened, minlength=order.size)
    return int((np.cumsum(opening) - np.arange(order.size)).max(initial=0))


def _flattened(mechanisms: Mechanisms) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the detectors of all mechanisms in one array, and the first index of each mechanism with any."""
    sizes = np.array([len(detectors) for detectors in mechanisms.detectors if detectors], dtype=np.int64)
    flat = np.fromiter(chain.from_iterable(mechanisms.detectors), dtype=np.int64, count=int(sizes.sum()))
    return flat, np.cumsum(sizes) - sizes


def _breadth_first_order(num_detectors: int, mechanisms: Mechanisms) -> NDArray[np.int64]:
    """Order detectors by a breadth-first search that starts far from the start of another one.

    Raises:
        ValueError: errors have so many detectors that their pairs would take too much time and memory.
    """
    sizes = np.array([len(detectors) for detectors in mechanisms.detectors], dtype=np.float64)
    pairs = float((sizes[sizes >= _LONG] ** 2).sum())
    if pairs > _MAX_PAIRS:
        raise ValueError(
            f"errors of up to {sizes.max():.0f} detectors: without time coordinates decoder 'trellis' would "
            f"order detectors by {pairs:.1e} pairs of an error, at most {_MAX_PAIRS:.1e} are supported: "
            "declare coordinates (x, y, t), or decompose the errors"
        )
    neighbours: list[set[int]] = [set() for _ in range(num_detectors)]
    for detectors in mechanisms.detectors:
        for detector in detectors:
            neighbours[detector].update(detectors)

    def search(roots: list[int]) -> list[int]:
        seen = [False] * num_detectors
        found: list[int] = []
        for root in roots:
            if seen[root]:
                continue
            seen[root] = True
            at = len(found)
            found.append(root)
            while at < len(found):
                for other in sorted(neighbours[found[at]], key=lambda node: (len(neighbours[node]), node)):
                    if not seen[other]:
                        seen[other] = True
                        found.append(other)
                at += 1
        return found

    return np.array(search(search(list(range(num_detectors)))[::-1]), dtype=np.int64)
