"""Order in which detectors and mechanisms are processed, and the memory of a beam."""

import heapq
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

        steps_record = np.zeros(num_detectors, dtype=layout.STEP)
        openings: list[tuple[int, int, int]] = []
        changes: list[tuple[int, int, float]] = []
        links: list[tuple[int, int, float, float]] = []
        rows: list[tuple[float, float, float, int, int]] = []
        count = sum(map(len, members))
        masks = np.zeros((count, words), dtype=np.uint64)
        step_masks = np.zeros((num_detectors, open_words), dtype=np.uint64)
        for step, group in enumerate(members):
            record = steps_record[step]
            record["first_new"], record["first_mechanism"] = len(openings), len(rows)
            record["first_change"] = len(changes)
            openings += [(int(order[new]), *allocation.place(new)) for new in allocation.new[step]]
            touched = {step, *(other for _, steps, _ in group for other in steps)}
            for other in touched:
                word, bit = allocation.place(other)
                step_masks[step, word] |= np.uint64(bit)
                after = heuristics.after(other, step)
                if other != step and after != heuristics.before(other, step):
                    changes.append((word, bit, after / heuristics.before(other, step)))
            quiet = 0.0
            own = heuristics.before(step, step)
            for index, (negative, steps, number) in enumerate(group):
                late = heuristics.late(step, index)
                first = len(links)
                for other in steps[1:]:
                    heuristic = heuristics.before(other, step)
                    links.append((*allocation.place(other), heuristic, 1 / heuristic))
                for other in steps:
                    word, bit = allocation.place(other)
                    masks[len(rows), word] |= np.uint64(bit)
                masks[len(rows), open_words:] = mechanisms.observables[number]
                quiet = max(quiet, float(np.prod([-negative, late, *(link[2] for link in links[first:])])))
                rows.append((-negative, own, late, first, len(links)))
            record["word"], bit_value = allocation.place(step)
            record["bit"], record["idle_rank"] = bit_value, quiet
            record["last_new"], record["last_mechanism"] = len(openings), len(rows)
            record["last_change"] = len(changes)
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
    detectors that share mechanisms, and its reverse.

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
        ways.sort(key=lambda way: _most_open(way, model.mechanisms))
    else:
        ways = [_breadth_first_order(model.num_detectors, model.mechanisms)]
    both: list[Any] = [way for forward in ways for way in (forward, forward[::-1])]
    return [np.ascontiguousarray(way, dtype=np.int64) for way in both[:count]]


def _most_open(order: NDArray[np.int64], mechanisms: Mechanisms) -> int:
    """Count the detectors that are open at the same time at most, as in `TrellisPlan.num_open`."""
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    opened = np.arange(order.size)  # by place: the step that opens the detector
    for detectors in mechanisms.detectors:
        if detectors:
            steps = place[list(detectors)]
            opened[steps] = np.minimum(opened[steps], steps.min())
    starts = np.bincount(opened, minlength=order.size)
    return int((np.cumsum(starts) - np.arange(order.size)).max(initial=0))


def _breadth_first_order(num_detectors: int, mechanisms: Mechanisms) -> NDArray[np.int64]:
    """Order detectors by a breadth-first search that starts far from the start of another one."""
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
