"""Selection of the metadata keys that separate studies."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.common.fits import Count
from experiments.sweep.study_keys import Labelled, select_keys

Label = Callable[[int, int, str, str], object]


def rows(**labels: Label) -> list[Labelled]:
    """Two strengths, three distances with r = d and r = 3 d, two bases."""
    return [
        (
            Count(distance=d, basis=b, cycles=r, shots=10, errors=1),
            "pymatching",
            {name: str(label(d, r, b, e)) for name, label in labels.items()},
        )
        for e, d, factor, b in product(("0.1", "0.2"), (3, 5, 7), (1, 3), "xz")
        for r in (factor * d,)
    ]


def strength(d: int, r: int, b: str, e: str) -> object:
    return e


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (lambda d, r, b, e: 2 * d * d - 1, "follows from the distance"),
        (lambda d, r, b, e: d > 3, "follows from the distance"),
        (lambda d, r, b, e: 1.1 * r, "follows from the number of cycles"),
        (lambda d, r, b, e: f"{e}/{d}_{r}_{b}.stim", "has no value in common between distances"),
        (lambda d, r, b, e: f"{d}_{e}", "follows from the distance"),
    ],
)
def test_keys_that_follow_from_distance_or_row_are_left_out(label: Label, reason: str) -> None:
    # "a" and "z": the order of names must not matter.
    for name in ("a", "z"):
        selected, notes = select_keys(rows(**{"error_rate": strength, name: label}))
        assert selected == ["error_rate"]
        assert notes == [
            f"metadata key {name!r} {reason}: left out of the grouping (--keep {name} groups by it)"
        ]
        assert select_keys(rows(**{"error_rate": strength, name: label}), keep=[name])[0] == sorted(
            ["error_rate", name]
        )


def test_several_such_keys_at_once() -> None:
    selected, notes = select_keys(
        rows(e=strength, path=lambda d, r, b, e: (d, r, b, e), q=lambda d, r, b, e: d * d)
    )
    assert selected == ["e"]
    assert len(notes) == 2


def test_keys_that_are_constant_across_distances_separate_studies() -> None:
    selected, notes = select_keys(
        rows(e=strength, prepared=lambda d, r, b, e: b * 2, fixed=lambda d, r, b, e: 1)
    )
    assert selected == ["e", "fixed", "prepared"]
    assert notes == []
    selected, notes = select_keys(rows(e=strength, factor=lambda d, r, b, e: r // d))
    assert selected == ["e", "factor"]
    assert len(notes) == 1
    assert "--ignore factor" in notes[0]


def test_codes_and_strengths_are_never_fitted_together() -> None:
    one = [entry for entry in rows(p=lambda d, r, b, e: d / 1000, e=strength) if entry[2]["e"] == "0.1"]
    selected, notes = select_keys(one)
    assert selected == ["e", "p"]
    assert ["--ignore p" in note for note in notes] == [True]
    assert select_keys(one, ignore=["p"]) == (["e"], [])


@pytest.mark.parametrize(
    ("keep", "ignore", "words"),
    [
        (["x"], [], "--keep x: no row has"),
        ([], ["x"], "--ignore x: no row has"),
        (["e"], ["e"], "both"),
        (["b"], [], "--keep b: distance, cycles and basis"),
        ([], ["d"], "--ignore d: distance, cycles and basis"),
    ],
)
def test_wrong_keys(keep: list[str], ignore: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        select_keys(rows(e=strength), keep=keep, ignore=ignore)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3), st.integers(1, 2), st.sampled_from("xz"), st.tuples(*[st.integers(0, 2)] * 3)
        ),
        min_size=1,
        max_size=8,
        unique=True,
    )
)
def test_different_metadata_at_one_place_are_never_added_up(
    found: list[tuple[int, int, str, tuple[int, int, int]]],
) -> None:
    entries: list[Labelled] = [
        (
            Count(distance=d, basis=b, cycles=r, shots=10, errors=1),
            "pymatching",
            dict(zip("abc", map(str, values), strict=True)),
        )
        for d, r, b, values in found
    ]
    selected, _ = select_keys(entries)
    places = {
        (count.distance, count.cycles, count.basis, *(labels[name] for name in selected))
        for count, _, labels in entries
    }
    assert len(places) == len(entries)
