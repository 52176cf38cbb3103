"""Examples in the docstrings of public classes run as printed."""

import doctest
import importlib

import pytest

MODULES = [
    "decoders.base",
    "decoders.belief_matching.decoder",
    "decoders.matching.decoder",
    "decoders.model.matching_graph",
    "decoders.registry",
    "decoders.reweighted.graph",
    "decoders.sinter_adapter",
    "decoders.streaming.decoder",
    "decoders.streaming.parallel",
    "decoders.trellis.decoder",
]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0
