"""Memory in a rotated patch that grows and shrinks."""

from collections.abc import Sequence

import stim

from qec.circuits import checks as css
from qec.circuits.builder import CircuitBuilder
from qec.codes.code import Basis
from qec.codes.surface import RotatedSurfaceCode


def patch_growth_circuit(
    *, heights: Sequence[int], width: int, rounds: int, basis: Basis = "z"
) -> stim.Circuit:
    """Make a clean circuit: a memory whose patch has these heights, one after the other.

    X errors along a column flip the logical Z, Z errors along a row the logical X: the heights are the
    distances of a memory in basis Z, the width is that of a memory in basis X. New rows are prepared in |+>,
    so that X checks grow and new Z checks are random; removed rows are measured in basis X (Horsman et al.,
    arXiv 1111.4022, section 3). Observable 0 is the logical operator at the end, with basis X together with
    its measured part.

    Args:
        heights: data qubits along a column in each phase, at least 2 each.
        width: data qubits along a row, at least 2.
        rounds: cycles of each phase, at least 1.
        basis: of preparation and readout, "z" or "x".
    """
    if not heights or min(*heights, width, 2) < 2:
        raise ValueError(f"heights={list(heights)}, width={width}: must be at least 2")
    if rounds < 1:
        raise ValueError(f"rounds={rounds}: must be at least 1")
    patches = [RotatedSurfaceCode(distance_x=height, distance_z=width, gates="cx") for height in heights]
    largest = max(patches, key=lambda patch: len(patch.data_qubits))
    builder = CircuitBuilder(
        data=largest.data_qubits, ancillas=[check.at for patch in patches for check in css.checks_of(patch)]
    )
    prepare, measure = ("R", "M") if basis == "z" else ("RX", "MX")
    patch, checks = patches[0], css.checks_of(patches[0])
    builder.gate(prepare, patch.data_qubits)
    before = css.known(checks, basis)
    line = [at for at, _ in largest.logical(basis)]
    removed: list[int] = []
    now: css.Results = {}
    for time in range(rounds * len(patches)):
        if time and time % rounds == 0:
            following = patches[time // rounds]
            new = [at for at in following.data_qubits if at not in set(patch.data_qubits)]
            gone = [at for at in patch.data_qubits if at not in set(following.data_qubits)]
            builder.gate("RX", new)
            measured = builder.measure("MX", gone)
            removed += [measured[at] for at in line if at in measured]
            before = {
                check.at: (now[check.at], *(measured[at] for at in check.support if at in measured))
                for check in checks
            }
            dropped = [check for check in checks if set(check.support) <= set(gone)]
            css.readout_detectors(builder, dropped, "x", now, measured, time=time)
            checks = css.checks_of(following)
            before |= css.known([check for check in checks if set(check.support) <= set(new)], "x")
            patch = following
        now = css.measure_checks(builder, checks)
        css.compare(builder, checks, now, before, time=time)
        before = css.single(now)
    data = builder.measure(measure, patch.data_qubits)
    css.readout_detectors(builder, checks, basis, now, data, time=rounds * len(patches))
    builder.observable(0, [*(data[at] for at in line if at in data), *removed])
    return builder.circuit
