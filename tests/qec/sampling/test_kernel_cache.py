"""Compiled code of the samplers follows every kernel file of qec."""

import shutil
from pathlib import Path

import pytest

from qec.sampling.kernels import cache_folder, jit
from tests.support.kernel_cache import CacheReport, KernelTree

CALLEE = """
from qec.sampling.kernels.jit import kernel

@kernel
def amount(x):
    return x + 1
"""
CALLER = """
from qec.sampling.kernels import cache_folder, jit
from qec.other.kernels.callee import amount

@jit.kernel
def doubled(x):
    return 2 * amount(x)
"""


@pytest.fixture
def tree(tmp_path: Path) -> KernelTree:
    tree = KernelTree(tmp_path, caller="qec.sampling.kernels.caller")
    tree.write("qec/sampling/kernels/caller.py", CALLER)
    tree.write("qec/other/kernels/callee.py", CALLEE)
    shutil.copy(jit.__file__, tree.code / "qec/sampling/kernels/jit.py")
    shutil.copy(cache_folder.__file__, tree.code / "qec/sampling/kernels/cache_folder.py")
    return tree


def test_a_second_process_compiles_nothing(tree: KernelTree) -> None:
    first = tree.run()
    assert (first.answer, first.hits) == (8, 0)
    assert tree.run() == CacheReport(8, 1, first.folder)


@pytest.mark.parametrize(
    ("file", "before", "after", "answer"),
    [
        ("qec/sampling/kernels/caller.py", "2 *", "3 *", 12),
        ("qec/other/kernels/callee.py", "x + 1", "x + 5", 16),
    ],
)
def test_an_edited_kernel_takes_effect(
    tree: KernelTree, file: str, before: str, after: str, answer: int
) -> None:
    assert tree.run().answer == 8
    tree.replace(file, before, after)
    assert tree.run().answer == answer
