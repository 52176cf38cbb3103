"""Graphlike decomposition of errors that stim cannot decompose."""

from collections.abc import Iterator, Mapping

import stim

Detectors = tuple[int, ...]
Observables = frozenset[int]
Component = tuple[Detectors, Observables]

# A set of eight has 764 partitions into single elements and pairs.
_LARGEST = 8


def graphlike_dem(circuit: stim.Circuit) -> stim.DetectorErrorModel:
    """Make the DEM of a circuit, with no more than two detectors in any component.

    stim decomposes errors where it can. Those with three or more detectors left (as in colour codes, where
    one error flips checks of three colours) is split into single detectors and pairs. Preferred are, in this
    order: few pieces that occur nowhere else, observables that are those of the pieces' other
    occurrences, few pieces. More than eight detectors are split in pairs, in their order.

    Whole errors keep their detectors, observables and probabilities, so decoders of whole errors use
    the true model. A matching graph made of the components may contain single detectors
    in the bulk, and then a matching can have less weight than any set of whole errors: distances of plain
    matching shrink.

    Args:
        circuit: with noise.

    Returns:
        The flattened DEM; the same as `circuit.detector_error_model(decompose_errors=True)`, flattened, where
        stim can decompose all errors.
    """
    dem = circuit.detector_error_model(
        decompose_errors=True,
        ignore_decomposition_failures=True,
        flatten_loops=True,
        approximate_disjoint_errors=True,
    )
    errors = [_components(i) for i in dem if i.type == "error"]
    known: dict[Detectors, Observables] = {}
    for components in errors:
        for detectors, observables in components:
            if len(detectors) <= 2:
                known.setdefault(detectors, observables)
    split: dict[Component, list[Component]] = {}
    graphlike = stim.DetectorErrorModel()
    for instruction in dem:
        if instruction.type != "error":
            graphlike.append(instruction)
            continue
        pieces: list[Component] = []
        for component in _components(instruction):
            if component not in split:
                split[component] = [component] if len(component[0]) <= 2 else _split(component, known)
            pieces += split[component]
        graphlike.append("error", instruction.args_copy(), _targets(pieces))
    return graphlike


def _components(instruction: stim.DemInstruction) -> list[Component]:
    found = []
    for group in instruction.target_groups():
        detectors = sorted(t.val for t in group if t.is_relative_detector_id())
        observables = frozenset(t.val for t in group if t.is_logical_observable_id())
        found.append((tuple(detectors), observables))
    return found


def _targets(components: list[Component]) -> list[stim.DemTarget]:
    targets: list[stim.DemTarget] = []
    for detectors, observables in components:
        targets.append(stim.target_separator())
        targets += [stim.target_relative_detector_id(d) for d in detectors]
        targets += [stim.target_logical_observable_id(o) for o in sorted(observables)]
    return targets[1:]


def _split(component: Component, known: Mapping[Detectors, Observables]) -> list[Component]:
    detectors, observables = component
    ways = _partitions(detectors) if len(detectors) <= _LARGEST else iter([_in_pairs(detectors)])
    best: list[Component] = []
    least: tuple[int, bool, int] | None = None
    for way in ways:
        new = [piece for piece in way if piece not in known]
        rest = observables
        for piece in way:
            rest ^= known.get(piece, frozenset())
        cost = (len(new), bool(rest) and not new, len(way))
        if least is None or cost < least:
            # A new piece has the observables that the known ones do not account for.
            odd = new[0] if new else way[0]
            best = [
                (piece, known.get(piece, Observables()) ^ (rest if piece == odd else Observables()))
                for piece in way
            ]
            least = cost
    return best


def _partitions(detectors: Detectors) -> Iterator[list[Detectors]]:
    """Return all partitions of detectors into pairs and single ones, pairs first."""
    if not detectors:
        yield []
        return
    first, rest = detectors[0], detectors[1:]
    for place, other in enumerate(rest):
        for way in _partitions(rest[:place] + rest[place + 1 :]):
            yield [(first, other), *way]
    for way in _partitions(rest):
        yield [(first,), *way]


def _in_pairs(detectors: Detectors) -> list[Detectors]:
    return [detectors[start : start + 2] for start in range(0, len(detectors), 2)]
