"""Small random detector error models, for comparing decoders with the exact optimum."""

import numpy as np
import stim

_MAX_DETECTORS = 12
_PROBABILITY = (1e-4, 0.3)
# Shares of errors with one to four components, and of models with one to three observables.
_COMPONENTS = (0.45, 0.3, 0.15, 0.1)
_OBSERVABLES = (0.7, 0.2, 0.1)
# How often a component is one that occurred before, with the same observables, and how often a new one flips
# each observable.
_KNOWN = 0.4
_FLIP = 0.3

Component = tuple[tuple[int, ...], tuple[int, ...]]


def random_model(seed: int) -> stim.DetectorErrorModel:
    """Generate a random graphlike DEM with up to 12 detectors and up to 3 observables.

    Errors have one to four components of at most two detectors, with probabilities between 1e-4 and 0.3,
    uniform in the logarithm. Components are often those of other errors, so that errors imply edges, herald
    each other, run parallel with the same or other observables, and occur as a part and alone. Some
    detectors have no boundary within reach, some errors flip observables only, some components cancel.

    Args:
        seed: of the model; the same number gives the same model with every release of numpy that keeps the
            bit stream of PCG64.

    Returns:
        The DEM; every detector and observable is declared.
    """
    random = np.random.default_rng(seed)
    num_detectors = int(random.integers(2, _MAX_DETECTORS + 1))
    num_observables = 1 + int(random.choice(len(_OBSERVABLES), p=_OBSERVABLES))
    num_errors = int(random.integers(num_detectors, 3 * num_detectors + 1))
    known: list[Component] = []
    model = stim.DetectorErrorModel()
    for _ in range(num_errors):
        targets: list[stim.DemTarget] = []
        for _ in range(1 + int(random.choice(len(_COMPONENTS), p=_COMPONENTS))):
            if known and random.random() < _KNOWN:
                component = known[int(random.integers(len(known)))]
            else:
                component = _component(random, num_detectors, num_observables)
                known.append(component)
            detectors, observables = component
            targets.append(stim.target_separator())
            targets += [stim.target_relative_detector_id(detector) for detector in detectors]
            targets += [stim.target_logical_observable_id(observable) for observable in observables]
        low, high = np.log(_PROBABILITY)
        model.append("error", float(np.exp(random.uniform(low, high))), targets[1:])
    model.append("detector", [], [stim.target_relative_detector_id(num_detectors - 1)])
    model.append("logical_observable", [], [stim.target_logical_observable_id(num_observables - 1)])
    return model


def _component(random: np.random.Generator, num_detectors: int, num_observables: int) -> Component:
    """Two detectors mostly, one often, none now and then; never nothing at all."""
    size = int(random.choice(3, p=(0.02, 0.38, 0.6)))
    detectors = sorted(random.choice(num_detectors, size=size, replace=False).tolist())
    observables = np.flatnonzero(random.random(num_observables) < _FLIP).tolist()
    if not detectors and not observables:
        observables = [int(random.integers(num_observables))]
    return tuple(detectors), tuple(observables)
