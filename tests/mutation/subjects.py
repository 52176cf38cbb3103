"""Parts of the project that are broken on purpose, and the tests that ought to notice."""

from dataclasses import dataclass, field
from typing import Final

#: Kernels as plain Python: nothing compiles, and an index out of range is an error.
INTERPRETED: Final = {"NUMBA_DISABLE_JIT": "1"}
#: Compiled with less optimisation, which takes less time.
COMPILED: Final = {"NUMBA_OPT": "1"}


@dataclass(frozen=True)
class Step:
    """One run of pytest.

    Attributes:
        tests: arguments of pytest.
        environment: variables in addition to those of this process.
    """

    tests: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A part of the project.

    Attributes:
        name: for the report.
        sources: patterns of the files to break.
        steps: quick ones first; a later one runs if all earlier ones passed.
    """

    name: str
    sources: tuple[str, ...]
    steps: tuple[Step, ...]


def _decoders(name: str) -> str:
    return f"tests/decoders/{name}"


SUBJECTS: Final = (
    Subject(
        "matching",
        ("decoders/matching/kernels/*.py", "decoders/kernels/bits.py", "decoders/kernels/heap.py"),
        (
            Step(
                (
                    _decoders("matching/test_against_pymatching.py::test_a_few_shots"),
                    _decoders("test_bits_and_heap.py"),
                    _decoders("matching/test_neighbour_lists.py"),
                    _decoders("matching/test_alternating_tree.py"),
                    _decoders("matching/test_optimality.py"),
                ),
                INTERPRETED,
            ),
            Step(
                (
                    _decoders("matching/test_exactness.py"),
                    _decoders("matching"),
                    _decoders("correlated/test_second_matching.py"),
                    _decoders("gaps/test_gap.py"),
                    _decoders("reweighted"),
                ),
                COMPILED,
            ),
        ),
    ),
    Subject(
        "correlated matching",
        ("decoders/correlated/kernels/*.py",),
        (
            Step(
                (
                    _decoders("correlated/test_mwpm_correlated.py::test_a_few_shots"),
                    _decoders("correlated/test_compare.py::test_three_components_of_one_error_count_once"),
                    _decoders(
                        "correlated/test_observed_edges.py::test_without_an_observed_edge_its_ends_are_apart"
                    ),
                    _decoders("correlated/test_observed_edges.py::test_the_second_matching_is_the_lightest"),
                ),
                INTERPRETED,
            ),
            Step((_decoders("correlated"), _decoders("streaming/test_correlated_windows.py")), COMPILED),
        ),
    ),
    Subject(
        "error models",
        ("decoders/model/*.py", "decoders/model/kernels/*.py"),
        (
            Step((_decoders("model"),), COMPILED),
            Step((_decoders("trellis"), _decoders("belief_matching")), COMPILED),
            Step((_decoders("matching"), _decoders("streaming"), _decoders("correlated")), COMPILED),
        ),
    ),
    Subject(
        "windows",
        ("decoders/streaming/*.py", "decoders/streaming/kernels/stream.py"),
        (Step((_decoders("streaming"),), COMPILED),),
    ),
    Subject(
        "gaps",
        ("decoders/gaps/*.py", "decoders/gaps/kernels/*.py"),
        (Step((_decoders("gaps"),), COMPILED),),
    ),
    Subject(
        "reweighted matching",
        ("decoders/reweighted/*.py", "decoders/reweighted/kernels/*.py"),
        (Step((_decoders("reweighted"), _decoders("pymatching")), COMPILED),),
    ),
    Subject(
        "belief matching and trellis",
        ("decoders/belief_matching/kernels/*.py", "decoders/trellis/*.py", "decoders/trellis/kernels/*.py"),
        (
            Step(
                (_decoders("belief_matching"), _decoders("trellis"), _decoders("gaps/test_gap.py")), COMPILED
            ),
        ),
    ),
    Subject(
        "protocol",
        ("realtime/protocol/*.py",),
        (
            Step(("tests/realtime/protocol",)),
            Step(("tests/realtime/service", "tests/realtime/source", "tests/realtime/test_client.py")),
        ),
    ),
    Subject(
        "sessions",
        (
            "realtime/kernels/session.py",
            "realtime/kernels/frames.py",
            "realtime/kernels/ring.py",
            "realtime/kernels/pacing.py",
            "realtime/service/session.py",
            "realtime/latency.py",
        ),
        (
            Step(("tests/realtime/kernels", "tests/realtime/test_latency.py"), COMPILED),
            Step(("tests/realtime",), COMPILED),
        ),
    ),
    Subject(
        "statistics",
        ("qec/statistics/*.py",),
        (Step(("tests/qec/statistics", "tests/qec/test_statistics_propagation.py")),),
    ),
    Subject(
        "noise and circuits",
        ("qec/noise/*.py", "qec/codes/*.py", "qec/memory.py"),
        (
            Step(("tests/qec/noise", "tests/qec/codes", "tests/qec/test_memory_circuit.py")),
            Step(("tests/qec/test_memory_si1000.py", "tests/qec/test_memory_stim.py", "tests/qec/families")),
        ),
    ),
    Subject(
        "sampling",
        ("qec/sampling/*.py", "qec/sampling/kernels/*.py", "experiments/engine/kernels/*.py"),
        (Step(("tests/qec/sampling", "tests/experiments/engine"), COMPILED),),
    ),
    Subject(
        "learning",
        ("qec/priors/*.py",),
        (Step(("tests/qec/priors",)),),
    ),
)
