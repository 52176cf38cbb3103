"""The figure of scaling: its parts against known answers, and the whole section in small."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stim

from decoders import ReweightedDecoder
from experiments.reproduce.engine.figure import Place, Record, Settings
from experiments.reproduce.engine.published import value
from experiments.reproduce.figures import scaling
from experiments.reproduce.scaling import bursts, components, distances, load, load_report, tiles
from experiments.reproduce.work.chain_record import chain_model
from qec.noise import device
from qec.sampling import Burst, ChainShots
from qec.statistics import Estimate
from qec.statistics.propagation import from_log_sigma, log_sigma_of

SETTINGS = Settings(quick=True, seed=1, workers=1, decoders=("mwpm",), watts_per_core=5.0)


# --- distances


def test_tiles_are_four_patches_side_by_side() -> None:
    patches = [tiles.tile(5, number) for number in range(tiles.TILES)]
    qubits = [qubit for patch in patches for qubit in patch.data_qubits]
    assert len(set(qubits)) == len(qubits) == 4 * 25


def test_scatter_between_tiles_is_what_counting_does_not_explain() -> None:
    generator = np.random.default_rng(1)
    shots, scatter = 100_000, 0.2
    rates = 0.01 * np.exp(scatter * generator.normal(size=(100, 4)))
    wide = {
        d: {tile: (int(generator.binomial(shots, rate)), shots) for tile, rate in enumerate(row)}
        for d, row in enumerate(rates)
    }
    assert distances.scatter_between(wide) == pytest.approx(scatter, rel=0.15)
    alike = {d: {t: (int(generator.binomial(shots, 0.01)), shots) for t in range(4)} for d in range(100)}
    assert distances.scatter_between(alike) < 0.015
    assert distances.scatter_between({3: {0: (5, 100), 1: (9, 100)}}) == 0.0


def test_the_more_certain_value_is_used_and_upper_limits_are_not() -> None:
    counted = {7: from_log_sigma(1e-5, 0.3), 9: Estimate(0.0, 0.0, 1e-6)}
    split = {7: from_log_sigma(1.2e-5, 0.1), 9: from_log_sigma(1e-6, 0.2)}
    found = distances.points_of(counted, split, 0.0)
    assert [one.value for one in found.values()] == [1.2e-5, 1e-6]
    assert list(distances.points_of(counted, {}, 0.0)) == [7]
    wider = distances.points_of(counted, split, 0.8)[7]
    assert wider.value == 1e-5  # four tiles scatter less than two
    assert log_sigma_of(wider) == pytest.approx(math.hypot(0.3, 0.4))


def test_distances_and_qubits() -> None:
    found = [distances.odd_distance(d) for d in (26.9, 27.0, 27.1, math.inf)]
    assert found == [27, 27, 29, None]
    assert distances.qubits(27) == value("projection.qubits").value


# --- component rates


def test_budget_at_the_published_rates_gives_the_published_lambda() -> None:
    assert components.published_lambda("all", 1.0) == pytest.approx(
        value("budget.lambda_from_budget").value, rel=0.01
    )
    assert components.published_lambda("two_qubit", 0.0) == pytest.approx(1 / (0.445 - 0.182))
    assert set(components.CHANNELS) == set(device(components.CHIP).rates)


# --- bursts


def test_a_told_decoder_has_the_rates_that_a_burst_adds() -> None:
    chain, first, distance, rounds, begin = 7, 2, 5, 6, 100
    whole = ChainShots(distance=chain, rounds=rounds)
    dem = whole.cut_model(chain_model(distance=chain, rounds=rounds, p=0.01), first=first, distance=distance)
    burst = Burst(onset=102.3, decay=4.0, peak=0.45, centre=3.1, radius=2.0)
    extended, checks = dem.flattened(), distance - 1
    for cycle in range(3, rounds):
        for half in range(2 * checks + 1):
            away = (first + half / 2 - burst.centre) / burst.radius
            rate = burst.peak * math.exp(-(begin + cycle - burst.onset) / burst.decay - away**2 / 2)
            number = half // 2
            if half % 2:
                flipped = [cycle * checks + number, (cycle + 1) * checks + number]
            else:
                flipped = [cycle * checks + c for c in (number - 1, number) if 0 <= c < checks]
            targets = [stim.target_relative_detector_id(detector) for detector in flipped]
            if half == 2 * checks:
                targets.append(stim.target_logical_observable_id(0))
            extended.append("error", [rate], targets)
    graph, told = (ReweightedDecoder.from_dem(model).graph for model in (dem, extended))
    rates = bursts.edge_rates(graph, burst, distance=distance, rounds=rounds, first_qubit=first, begin=begin)
    expected = dict(zip(zip(told.edge_u, told.edge_v, strict=True), told.edge_probability, strict=True))
    found = dict(zip(zip(graph.edge_u, graph.edge_v, strict=True), rates, strict=True))
    assert found == pytest.approx(expected)


def test_gain_of_being_told_is_paired() -> None:
    generator = np.random.default_rng(2)
    not_told = generator.poisson(2.0, 4000)
    told = generator.binomial(not_told, 0.7)
    pairs = np.stack([not_told, told], axis=1)
    found = bursts.gain(pairs)
    assert found.low < 0.3 < found.high
    # As precise as binomial counting of 8000 failures, not as two Poisson counts.
    assert found.high - found.low == pytest.approx(2 * 1.96 * math.sqrt(0.21 / 8000), rel=0.15)
    none = np.zeros((100, 2), dtype=np.int64)
    assert bursts.per_burst(none[:, 0]).high == pytest.approx(0.0369)
    assert math.isnan(bursts.gain(none).value)


# --- decoding load


def _service(distance: int, per_cycle_us: float) -> load.Service:
    case = load.Case(noise=load.UNIFORM, decoder="mwpm", distance=distance, commit=load.LONG)
    times = [case.commit * distance * per_cycle_us * factor for factor in (0.9, 1.0, 1.1)] * 20
    return load.Service(case=case, windows=times, last=times)


def test_sustained_distance_lies_between_the_measured_ones() -> None:
    found = [_service(d, 1.1 * (d / 12) ** 3) for d in (5, 9, 15)]
    reached = load.sustained_distance(found, cycle_us=1.1)
    assert reached is not None
    assert reached.value == pytest.approx(12, rel=1e-6)
    assert reached.low < 12 < reached.high
    assert load.sustained_distance(found[2:], cycle_us=1.1) is None
    above = load.sustained_distance(found[:2], cycle_us=1.1)
    assert above is not None
    assert math.isinf(above.value)


def test_machine_of_a_known_decoder() -> None:
    plan = load.layout()
    assert (plan.patches, plan.distance, plan.reaction_us) == (226 * 63, 27, 10.0)
    found = load.machine(_service(27, 2.7), plan, seed=1)
    # 2.7 us for a cycle of 1 us: three cores a patch at 90 %.
    assert found.load.cores_per_patch == pytest.approx(3.0)
    assert found.cores.value == pytest.approx(3 * plan.patches)
    assert found.cores.low <= found.cores.value <= found.cores.high
    assert found.one_core == pytest.approx(2.7)
    assert found.growth > 1.0
    # A last window takes 292 us and must take 10, or 9.1 with the slowest.
    assert found.speed_up.value == pytest.approx(1.1 * 108 * 2.7 / 10, rel=0.1)


# --- the whole figure, small


class Found(dict[str, Record]):
    """Records by job."""

    def __getitem__(self, job: Any) -> Record:
        return super().__getitem__(job.key)


def test_scaling_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "_QUICK_DISTANCES", (5, 7))
    monkeypatch.setattr(bursts, "_NUMBERS", {True: (1, 2)})
    monkeypatch.setattr(load, "_QUICK_DISTANCES", (3,))
    monkeypatch.setattr(load, "_QUICK", (10, 8))
    monkeypatch.setattr(load, "_SIMULATED", 200)
    monkeypatch.setattr(load, "_DECISIONS", 100)
    monkeypatch.setattr(load, "_DECISIONS_IN_SEARCH", 50)
    monkeypatch.setattr(load_report, "_SPEEDS", (1, 100))
    found = Found()
    place = Place(workers=1, folder=tmp_path, say=lambda words: None)
    done: dict[Any, Record] = {}
    for job in scaling.jobs(SETTINGS):
        # One job of a kind is done; the others get its record, or counts that fall with the distance.
        if job.work not in done:
            arguments = {**job.arguments, **({"place": place} if job.alone else {})}
            small = {"shots": 100, "population": 2, "distance": 3}
            arguments |= {name: small[name] for name in small.keys() & arguments.keys()}
            done[job.work] = job.work(**arguments)
        found[job.key] = done[job.work]
        if "distance" in job.arguments and not job.alone:
            third = 1 / 3 in job.arguments["scale"].values()
            p = 0.05 * (8.0 if third else 2.0) ** (-(job.arguments["distance"] - 1) / 2)
            if "shots" in job.arguments:
                assert done[job.work].keys() == {"shots", "errors"}
                found[job.key] = {"shots": 100_000, "errors": round(100_000 * p)}
            else:
                assert done[job.work].keys() == {"method", "probability"}
                found[job.key] = {"method": "splitting", "probability": [p, 0.8 * p, 1.25 * p]}
    section = scaling.section(SETTINGS, found)
    for picture in section.pictures:
        path = tmp_path / f"{picture.name}.png"
        picture.draw(path)
        assert path.read_bytes().startswith(b"\x89PNG")
    for table in section.tables:
        assert all(len(row) == len(table.header) for row in table.rows)
    rows = {row.quantity: row for row in section.rows}
    assert rows["qubits for epsilon = 1e-06, 105 qubits"].published.startswith("1457")
    far = rows["epsilon_27, 105 qubits"].ours
    assert isinstance(far, Estimate)
    assert 0 < far.low < far.value < far.high
    traffic = rows["network, detection events to the decoders"].ours
    assert traffic == f"{(64 + 10 * 91) / 10 * 226 * 63 * 1e-6:.2f} TB/s"
    power, cores = rows["power, mwpm, windows of 4 d"], rows["cores, mwpm, windows of 4 d"]
    assert power.scale == pytest.approx(1e-6 * SETTINGS.watts_per_core)
    assert power.ours == cores.ours
    assert "watts_per_core" not in {name for job in scaling.jobs(SETTINGS) for name in job.arguments}
