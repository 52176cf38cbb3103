"""Digests by which a source and a daemon compare what they decode, without comparing their windows."""

import hashlib

import numpy as np

from decoders.streaming.layers import LayeredModel
from decoders.streaming.windows import WindowPlan


def layout_digest(model: LayeredModel) -> str:
    """Return a digest of the columns and of where they have detectors; 16 hexadecimal digits.

    Equal for memories of different lengths and of any noise. It differs between bases, as the first cycle
    and the readout have other detectors.
    """
    digest = hashlib.sha256(f"layout {model.num_observables} {model.period}".encode())
    digest.update(np.ascontiguousarray(model.stabilizers).tobytes())
    seen = model.seen_detectors >= 0
    start = len(model.first)
    shown = (seen[:1], seen[start : start + len(model.bulk)], seen[-1:]) if model.bulk else (seen,)
    for part in shown:
        digest.update(np.packbits(part, axis=1).tobytes())
    return digest.hexdigest()[:16]


def model_digest(model: LayeredModel) -> str:
    """Return a digest of the layout and of all edges with their probabilities; 16 hexadecimal digits.

    Equal for memories of different lengths. Rates count with six digits, so that rounding does not.

    Args:
        model: made without `correlated`, which may merge edges in another order.
    """
    digest = hashlib.sha256(f"model {layout_digest(model)}".encode())
    for edges in (*model.first, *model.bulk, *model.last):
        for name in ("column", "later", "other", "observables"):
            digest.update(np.ascontiguousarray(getattr(edges, name)).tobytes())
        digest.update(" ".join(f"{p:.5e}" for p in edges.probability).encode())
    return digest.hexdigest()[:16]


def windows_digest(model: LayeredModel, plan: WindowPlan) -> bytes:
    """Compute a digest of model and windows, equal for memories that differ only in their length."""
    name = "mwpm" if model.implied is None else "mwpm-correlated"
    regions = f"WindowPlan(commit={plan.commit}, buffer={plan.buffer})"
    if plan.fixed:
        regions += f" {model.stretches}"
    digest = hashlib.sha256(f"{name} {regions} {model.num_observables}".encode())
    digest.update(np.ascontiguousarray(model.stabilizers).tobytes())
    for edges in model.edges if plan.fixed else (*model.first, *model.bulk, *model.last):
        for name in ("column", "later", "other", "weight", "observables"):
            digest.update(getattr(edges, name).tobytes())
    return digest.digest()
