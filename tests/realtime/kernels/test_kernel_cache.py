"""Compiled code of the loop follows its kernels, the wire records and the decoders' kernels."""

import shutil
from pathlib import Path

import pytest

from decoders.kernels import cache_folder
from decoders.kernels import jit as decoders_jit
from realtime.kernels import jit
from tests.support.kernel_cache import CacheReport, KernelTree

CALLEE = """
from realtime.kernels.jit import kernel
from realtime.protocol.records import STEP
from decoders.kernels.callee import scaled

@kernel
def amount(x):
    return scaled(x) + STEP
"""
CALLER = """
from realtime.kernels import jit
from realtime.kernels.inner.callee import amount

@jit.kernel
def doubled(x):
    return 2 * amount(x)
"""
DECODERS_CALLEE = """
from decoders.kernels.jit import kernel

@kernel
def scaled(x):
    return x * 1
"""


@pytest.fixture
def tree(tmp_path: Path) -> KernelTree:
    tree = KernelTree(tmp_path, caller="realtime.kernels.caller")
    tree.write("realtime/kernels/caller.py", CALLER)
    tree.write("realtime/kernels/inner/callee.py", CALLEE)
    tree.write("realtime/protocol/records.py", "STEP = 1\n")
    tree.write("decoders/kernels/callee.py", DECODERS_CALLEE)
    shutil.copy(jit.__file__, tree.code / "realtime/kernels/jit.py")
    shutil.copy(decoders_jit.__file__, tree.code / "decoders/kernels/jit.py")
    shutil.copy(cache_folder.__file__, tree.code / "decoders/kernels/cache_folder.py")
    return tree


def test_a_second_process_compiles_nothing(tree: KernelTree) -> None:
    first = tree.run()
    assert (first.answer, first.hits) == (8, 0)
    assert tree.run() == CacheReport(8, 1, first.folder)


@pytest.mark.parametrize(
    ("file", "before", "after", "answer"),
    [
        ("realtime/kernels/caller.py", "2 *", "3 *", 12),
        ("realtime/kernels/inner/callee.py", "+ STEP", "- STEP", 4),
        ("realtime/protocol/records.py", "= 1", "= 5", 16),
        ("decoders/kernels/callee.py", "* 1", "* 2", 14),
    ],
)
def test_an_edited_file_takes_effect(
    tree: KernelTree, file: str, before: str, after: str, answer: int
) -> None:
    assert tree.run().answer == 8
    tree.replace(file, before, after)
    assert tree.run().answer == answer
