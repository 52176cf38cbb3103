"""Lattice surgery: merge two rotated patches to measure ZZ or XX, then split them."""

import stim

from qec.circuits import checks as css
from qec.circuits.builder import CircuitBuilder
from qec.codes.code import Basis
from qec.codes.surface import RotatedSurfaceCode


def lattice_surgery_circuit(*, distance: int, rounds: int, basis: Basis = "z") -> stim.Circuit:
    """Make a clean circuit: two patches in |00>, separate, merged, separate again, measured in basis Z.

    The patches lie above each other with one row of data qubits between them, prepared in |+> for the merge
    and measured in basis X at the split. New Z checks next to that row are random; their product in the first
    merged cycle is the result of the ZZ measurement (Horsman et al., arXiv 1111.4022). Observables: 0 and 1
    are the logical Z of the upper and the lower patch at the end, 2 is the ZZ result.

    With basis "x" the patches lie next to each other, and X and Z are exchanged: patches in |++>, an XX
    measurement.

    Args:
        distance: distance of each patch, odd and at least 3.
        rounds: cycles of each of the three phases, at least 1.
        basis: "z" or "x".
    """
    if distance < 3 or distance % 2 == 0:
        raise ValueError(f"distance={distance}: must be odd and at least 3 for lattice surgery")
    if basis not in ("x", "z"):
        raise ValueError(f"basis={basis!r}: must be 'x' or 'z'")
    shift, length = 2 * (distance + 1), 2 * distance + 1
    upper = RotatedSurfaceCode(distance, gates="cx")
    if basis == "z":
        lower = RotatedSurfaceCode(distance, gates="cx", origin=(0, shift))
        both = RotatedSurfaceCode(distance_x=length, distance_z=distance, gates="cx")
    else:
        lower = RotatedSurfaceCode(distance, gates="cx", origin=(shift, 0))
        both = RotatedSurfaceCode(distance_x=distance, distance_z=length, gates="cx")
    prepare, measure = ("R", "M") if basis == "z" else ("RX", "MX")
    prepare_seam, measure_seam = ("RX", "MX") if basis == "z" else ("R", "M")
    patches = [*upper.data_qubits, *lower.data_qubits]
    seam = [at for at in both.data_qubits if at not in set(patches)]
    apart = css.checks_of(upper) + css.checks_of(lower)
    merged = css.checks_of(both)
    alone = {check.at: check for check in apart}
    builder = CircuitBuilder(data=both.data_qubits, ancillas=[check.at for check in merged])

    time = 0
    builder.gate(prepare, patches)
    before = css.known(apart, basis)
    for _ in range(rounds):
        now = css.measure_checks(builder, apart)
        css.compare(builder, apart, now, before, time=time)
        before, time = css.single(now), time + 1

    # Checks of the other basis grow by data qubits of known state, so that their values carry over; those of
    # this basis are new.
    builder.gate(prepare_seam, seam)
    for cycle in range(rounds):
        now = css.measure_checks(builder, merged)
        css.compare(builder, merged, now, before, time=time)
        if cycle == 0:
            new = [check.at for check in merged if check.basis == basis and check.at not in alone]
            builder.observable(2, [now[at] for at in new])
        before, time = css.single(now), time + 1

    measured = builder.measure(measure_seam, seam)
    before = {
        check.at: (now[check.at], *(measured[at] for at in check.support if at in measured))
        for check in merged
        if check.at in alone
    }
    for _ in range(rounds):
        now = css.measure_checks(builder, apart)
        css.compare(builder, apart, now, before, time=time)
        before, time = css.single(now), time + 1
    data = builder.measure(measure, patches)
    css.readout_detectors(builder, apart, basis, now, data, time=time)
    for number, patch in enumerate((upper, lower)):
        builder.observable(number, [data[at] for at, _ in patch.logical(basis)])
    return builder.circuit
