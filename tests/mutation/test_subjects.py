"""The table of what is broken on purpose keeps up with the tree, and changes are what they claim to be."""

from pathlib import Path

import pytest

from tests.mutation.subjects import SUBJECTS

ROOT = Path(__file__).resolve().parents[2]
# Kernels of others' subjects, or without behaviour of their own: records, compilation, caches.
_LEFT_OUT = {
    "decoders/kernels",
    "decoders/external/kernels",
    "decoders/pymatching/kernels",
    "realtime/programs/kernels",
}


def test_sources_and_tests_exist() -> None:
    for subject in SUBJECTS:
        for pattern in subject.sources:
            assert list(ROOT.glob(pattern)), (subject.name, pattern)
        for step in subject.steps:
            for test in step.tests:
                path, _, function = test.partition("::")
                assert (ROOT / path).exists(), test
                if function:
                    assert f"def {function}(" in (ROOT / path).read_text(), test


def test_all_kernels_are_subjects() -> None:
    covered = {
        file.parent.relative_to(ROOT).as_posix()
        for subject in SUBJECTS
        for pattern in subject.sources
        for file in ROOT.glob(pattern)
    }
    kernels = {
        folder.relative_to(ROOT).as_posix()
        for package in ("qec", "decoders", "realtime", "experiments")
        for folder in (ROOT / package).rglob("kernels")
        if any(folder.glob("*.py"))
    }
    assert kernels - covered - _LEFT_OUT == set()


def test_mutants_differ_in_one_line_and_depend_on_the_seed_alone(tmp_path: Path) -> None:
    pytest.importorskip("cosmic_ray", reason="the extra `mutation` is not installed")
    from tests.mutation.mutants import choose

    source = "def larger(a, b, *, c=1):\n    total = a + b\n    return total > 3 and not c == 2\n"
    (tmp_path / "one.py").write_text(source)
    found = choose(tmp_path, ["*.py"], count=9, seed=1)
    assert found == choose(tmp_path, ["*.py"], count=9, seed=1)
    assert found[:1] == choose(tmp_path, ["*.py"], count=1, seed=1)
    assert {mutant.line for mutant in found} == {1, 2, 3}
    for mutant in found:
        compile(mutant.source, "mutant", "exec")
        lines = zip(source.splitlines(), mutant.source.splitlines(), strict=True)
        assert [number for number, (old, new) in enumerate(lines, 1) if old != new] == [mutant.line]
        assert mutant.before != mutant.after
    with pytest.raises(ValueError, match="no file is named two"):
        choose(tmp_path, ["two.py"], count=1, seed=1)
