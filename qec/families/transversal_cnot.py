"""Transversal CNOT between two rotated patches."""

import stim

from qec.circuits import checks as css
from qec.circuits.builder import CircuitBuilder
from qec.codes.surface import RotatedSurfaceCode


def transversal_cnot_circuit(*, distance: int, rounds: int) -> stim.Circuit:
    """Make a clean circuit: two patches in |00>, cycles, a CX between all pairs of data qubits, cycles, basis
    Z.

    The CNOT copies Z checks of the control onto those of the target, and X checks of the target onto those of
    the control: detectors of the cycle after it compare three measurements. Observables 0 and 1 are
    the logical Z of control and target at the end.

    A wrong check result of one patch just before the CNOT flips two detectors of that patch and one of the
    other. Away from the boundary the single one occurs in no other error: stim's decomposition introduces it.

    Args:
        distance: of each patch, at least 2.
        rounds: cycles before and after the CNOT, at least 1.
    """
    control = RotatedSurfaceCode(distance, gates="cx")
    shift = 4 * (distance // 2 + 1)
    target = RotatedSurfaceCode(distance, gates="cx", origin=(shift, 0))
    patches = [*control.data_qubits, *target.data_qubits]
    checks = css.checks_of(control) + css.checks_of(target)
    builder = CircuitBuilder(data=patches, ancillas=[check.at for check in checks])
    builder.gate("R", patches)
    before = css.known(checks, "z")
    now: css.Results = {}
    for time in range(2 * rounds):
        if time == rounds:
            builder.tick()
            pairs = zip(control.data_qubits, target.data_qubits, strict=True)
            builder.gate("CX", [at for pair in pairs for at in pair])
            before = {check.at: (now[check.at], *_copied(check, now, shift=shift)) for check in checks}
        now = css.measure_checks(builder, checks)
        css.compare(builder, checks, now, before, time=time)
        before = css.single(now)
    data = builder.measure("M", patches)
    css.readout_detectors(builder, checks, "z", now, data, time=2 * rounds)
    for number, patch in enumerate((control, target)):
        builder.observable(number, [data[at] for at, _ in patch.logical("z")])
    return builder.circuit


def _copied(check: css.Check, results: css.Results, *, shift: int) -> tuple[int, ...]:
    """Return the measurement of the other patch's check that the CNOT has multiplied onto this one."""
    x, y = check.at
    other = (x - shift, y) if check.basis == "z" else (x + shift, y)
    return (results[other],) if other in results else ()
