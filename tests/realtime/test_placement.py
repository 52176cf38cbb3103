"""Cores: quiet ones for those who spin, one for the system, no promise where there are too few."""

from pathlib import Path

import pytest

from realtime import placement
from realtime.placement import choose_cores


def test_four_quiet_cores() -> None:
    found = choose_cores(allowed=range(4), busy={})
    assert (found.source, found.messages, found.system, found.decoders) == (0, 1, 2, (3,))
    assert found.promise
    assert found.spins
    assert found.control is None
    assert (found.decoder(0), found.decoder(1)) == (3, None)


def test_threads_of_parallel_windows_have_cores_of_their_own() -> None:
    found = choose_cores(streams=2, decoder_threads=2, allowed=range(12), busy={})
    # Source, messages, system, and for each stream one that receives and two that decode.
    assert len(found.decoders) == 6
    assert (found.decoder(1), found.block_cores(1)) == (found.decoders[3], found.decoders[4:])
    assert found.promise
    few = choose_cores(decoder_threads=2, allowed=range(4), busy={})
    assert (few.promise, few.decoder(0), few.block_cores(0)) == (False, None, ())
    assert "6 needed" in few.note
    with pytest.raises(ValueError, match="decoder_threads=0"):
        choose_cores(decoder_threads=0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_cores_promise_nothing(count: int) -> None:
    found = choose_cores(allowed=range(count), busy={})
    assert not found.promise
    assert not found.spins
    assert found.decoders == ()
    assert "no latency promise" in found.note
    assert f"{count} core" in found.note


def test_busy_cores_are_avoided_or_left_to_the_system() -> None:
    found = choose_cores(allowed=range(6), busy={0: 0.9, 3: 0.1})
    assert 0 not in (found.source, found.messages, *found.decoders)
    assert found.promise
    assert found.control == 5
    tight = choose_cores(allowed=range(4), busy={1: 0.9})
    assert tight.system == 1
    assert tight.promise
    crowded = choose_cores(allowed=range(4), busy={1: 0.9, 2: 0.8})
    assert not crowded.promise
    assert "core 2 is in use by other programs" in crowded.note


def test_streams_want_a_core_each() -> None:
    two = choose_cores(allowed=range(5), busy={}, streams=2)
    assert two.decoders == (3, 4)
    assert two.promise
    three = choose_cores(allowed=range(4), busy={}, streams=3)
    assert three.decoders == ()
    assert not three.spins
    assert "6 needed" in three.note


def test_where_one_core_is_missing_the_system_shares_that_of_the_messages() -> None:
    found = choose_cores(allowed=range(4), busy={}, streams=2)
    assert found.system == found.messages == 1
    assert (found.source, found.decoders) == (0, (2, 3))
    assert not found.promise
    assert "share core 1" in found.note
    assert found.jitter_core is None


def test_one_process_needs_no_core_for_messages() -> None:
    two = choose_cores(allowed=range(4), busy={}, streams=2, in_process=True)
    assert (two.source, two.messages, two.system, two.decoders) == (0, None, 2, (1, 3))
    assert two.promise
    assert two.jitter_core == (2, True)
    one = choose_cores(allowed=range(4), busy={}, in_process=True)
    assert one.promise
    assert one.jitter_core == (3, False)
    assert choose_cores(allowed=range(3), busy={}, in_process=True).decoders == ()


def test_the_control_gives_way_on_the_systems_core() -> None:
    assert choose_cores(allowed=range(4), busy={}).jitter_core == (2, True)
    assert choose_cores(allowed=range(5), busy={}).jitter_core == (4, False)
    assert choose_cores(allowed=range(2), busy={}).jitter_core is None


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="streams=0"):
        choose_cores(streams=0)
    with pytest.raises(ValueError, match="at least one core"):
        choose_cores(allowed=[])


def test_busy_share_from_the_systems_counters(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu 1 1 1 1\ncpu0 100 0 0 100 0 0 0 0\ncpu1 50 0 0 50 0 0 0 0\nintr 5\n")
    assert placement._ticks(stat) == {0: (100, 200), 1: (50, 100)}
    assert placement.busy_cores(0.0, stat=stat) == {}
    assert placement.busy_cores(0.0, stat=tmp_path / "none") == {}


def test_a_quota_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(placement, "_QUOTA", quota)
    assert placement._quota(8) == 8
    quota.write_text("max 100000\n")
    assert placement._quota(8) == 8
    quota.write_text("200000 100000\n")
    assert placement._quota(8) == 2
