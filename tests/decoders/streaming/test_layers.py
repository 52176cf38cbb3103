"""Layers of memories: independent of the length, every detector at its position."""

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

import qec
from decoders.streaming.layers import LayeredModel
from qec.codes.code import Code
from tests.support.strategies import layered_dems
from tests.support.streams import same_edges

CODES: dict[str, Code] = {
    **{
        f"surface-{variant}-{gates}": qec.RotatedSurfaceCode(3, variant=variant, gates=gates)
        for variant in ("css", "zxxz")
        for gates in ("cz", "cx")
    },
    "surface-3x5": qec.RotatedSurfaceCode(distance_x=3, distance_z=5),
    "surface-5x3": qec.RotatedSurfaceCode(distance_x=5, distance_z=3, variant="zxxz"),
    "surface-2": qec.RotatedSurfaceCode(2),
    "repetition-cz": qec.RepetitionCode(5, gates="cz"),
    "repetition-cx": qec.RepetitionCode(3, gates="cx"),
}
NOISES = ("si1000", "uniform", "phenomenological")
TASKS = (
    "surface_code:rotated_memory_x",
    "surface_code:rotated_memory_z",
    "surface_code:unrotated_memory_x",
    "surface_code:unrotated_memory_z",
    "repetition_code:memory",
)
#: One detector per layer, an edge to the boundary and one to the next layer.
CHAIN = "error({}) D0\nerror(0.1) D0 D1\ndetector(0, 0, 0) D0\nshift_detectors(0, 0, 1) 1\n"
CHAIN_END = "error(0.1) D0\ndetector(0, 0, 0) D0"


def memory(code: Code, *, rounds: int, basis: str = "z", noise: str = "si1000") -> stim.Circuit:
    return qec.memory_circuit(code, rounds=rounds, basis=basis, noise=qec.noise.by_name(noise, 0.004))


def generated(task: str, *, rounds: int) -> stim.Circuit:
    return stim.Circuit.generated(
        task,
        distance=3,
        rounds=rounds,
        after_clifford_depolarization=0.003,
        before_round_data_depolarization=0.002,
        before_measure_flip_probability=0.005,
        after_reset_flip_probability=0.004,
    )


def dem_of(circuit: stim.Circuit) -> stim.DetectorErrorModel:
    return circuit.detector_error_model(decompose_errors=True)


def model_of(text: str) -> LayeredModel:
    return LayeredModel.from_dem(stim.DetectorErrorModel(text))


def repeat(count: int, body: str) -> str:
    return f"repeat {count} {{\n{body}}}\n"


def check_places(model: LayeredModel, circuit: stim.Circuit, *, rounds: int) -> None:
    """Layer and column of every detector of a circuit are its coordinates; no detector is missing."""
    coordinates = circuit.get_detector_coordinates()
    assert model.num_layers == rounds + 1
    assert model.num_detectors == len(coordinates)
    numbers = model.detector_numbers(rounds + 1)
    assert numbers.shape == (rounds + 1, model.num_columns)
    assert sorted(numbers[numbers >= 0]) == list(range(len(coordinates)))
    for layer, column in np.argwhere(numbers >= 0):
        *place, time = coordinates[int(numbers[layer, column])]
        assert time == layer
        assert place == model.stabilizers[column].tolist()


def check_same_layers(one: LayeredModel, other: LayeredModel) -> None:
    """Two lengths of one memory."""
    assert one.bulk
    assert other.bulk
    assert one.period == other.period
    for ours, theirs in ((one.first, other.first), (one.bulk, other.bulk), (one.last, other.last)):
        assert len(ours) == len(theirs)
        assert all(same_edges(a, b) for a, b in zip(ours, theirs, strict=True))
    assert np.array_equal(one.stabilizers, other.stabilizers)
    assert (one.num_observables, one.weight_scale) == (other.num_observables, other.weight_scale)
    assert (one.longest_reach, one.distance) == (other.longest_reach, other.distance)


# --- memories of every code


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("basis", ["x", "z"])
@pytest.mark.parametrize("name", CODES)
def test_every_detector_has_its_place(name: str, basis: str, noise: str) -> None:
    for rounds in (1, 2, 3, 5, 10):
        circuit = memory(CODES[name], rounds=rounds, basis=basis, noise=noise)
        check_places(LayeredModel.from_dem(dem_of(circuit)), circuit, rounds=rounds)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("basis", ["x", "z"])
@pytest.mark.parametrize("name", CODES)
def test_a_million_cycles_have_the_layers_of_ten(name: str, basis: str, noise: str) -> None:
    short, middle, long = (
        LayeredModel.from_dem(dem_of(memory(CODES[name], rounds=rounds, basis=basis, noise=noise)))
        for rounds in (10, 100, 10**6)
    )
    check_same_layers(short, long)
    check_same_layers(middle, long)
    assert long.num_layers == 10**6 + 1
    assert long.seen_detectors.shape[0] < 30
    for model in (short, middle):
        numbers = model.detector_numbers(model.num_layers)
        assert np.array_equal(long.detector_numbers(model.num_layers), numbers)


@pytest.mark.parametrize("task", TASKS)
def test_circuits_of_stim(task: str) -> None:
    for rounds in (1, 2, 3, 5, 10, 33):
        circuit = generated(task, rounds=rounds)
        dem = dem_of(circuit)
        folded, flat = LayeredModel.from_dem(dem), LayeredModel.from_dem(dem.flattened())
        check_places(folded, circuit, rounds=rounds)
        check_places(flat, circuit, rounds=rounds)
        if rounds >= 5:
            check_same_layers(folded, flat)
    check_same_layers(folded, LayeredModel.from_dem(dem_of(generated(task, rounds=10**6 + 1))))


def test_columns_are_in_the_order_of_detectors() -> None:
    # So a window that holds a whole shot decides ties as whole-history decoding does.
    numbers = LayeredModel.from_dem(dem_of(memory(CODES["surface-3x5"], rounds=8))).detector_numbers(9)
    assert (np.diff(numbers[numbers >= 0]) > 0).all()
    # stim's first and last layers have an order of their own.
    numbers = LayeredModel.from_dem(dem_of(generated(TASKS[0], rounds=8))).detector_numbers(9)
    assert (np.diff(numbers[1:-1].ravel()) == 1).all()
    assert (np.diff(numbers[numbers >= 0]) < 0).any()


def test_the_distance_of_the_code() -> None:
    for basis in ("x", "z"):
        code = CODES["surface-5x3"]
        model = LayeredModel.from_dem(dem_of(memory(code, rounds=50, basis=basis)))
        assert model.distance == code.memory_distance(basis)
    assert model_of(CHAIN_END).distance == 0


def test_no_errors_at_all() -> None:
    circuit = qec.memory_circuit(CODES["surface-css-cz"], rounds=100)
    model = LayeredModel.from_dem(dem_of(circuit))
    check_places(model, circuit, rounds=100)
    assert len(model.bulk) == 1
    assert model.bulk[0].column.size == 0


# --- models written by hand


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        (repeat(1000, CHAIN.format(0.1)) + CHAIN_END, 1001),
        (repeat(500, 2 * CHAIN.format(0.1)) + CHAIN_END, 1001),  # two cycles in the body
        (repeat(300, CHAIN.format(0.1)) + repeat(700, CHAIN.format(0.1)) + CHAIN_END, 1001),
        (repeat(100, repeat(10, CHAIN.format(0.1))) + CHAIN_END, 1001),
        (repeat(2, repeat(500, CHAIN.format(0.1))) + CHAIN_END, 1001),
        (1000 * CHAIN.format(0.1) + CHAIN_END, 1001),
        (3 * CHAIN.format(0.1) + repeat(20, CHAIN.format(0.1)) + CHAIN_END, 24),
        (repeat(1000, CHAIN.format(0.1).replace("0, 0", "0")) + CHAIN_END.replace("0, 0", "0"), 1001),
        ("shift_detectors(0, 0, 7) 0\n" + repeat(1000, CHAIN.format(0.1)) + CHAIN_END, 1001),
        ("shift_detectors(0, 0, -3.5) 0\n" + repeat(1000, CHAIN.format(0.1)) + CHAIN_END, 1001),
    ],
)
def test_a_chain_is_found_however_it_is_written(text: str, layers: int) -> None:
    model = model_of(text)
    assert model.num_layers == model.num_detectors == layers
    assert len(model.bulk) == 1
    assert (len(model.first), len(model.last)) == (0, 1)
    assert sorted(zip(*model.bulk[0][:3], strict=True)) == [(0, 0, -1), (0, 1, 0)]
    assert model.detector_numbers(layers).ravel().tolist() == list(range(layers))
    assert model.longest_reach == 1


A, B = CHAIN.format(0.1), CHAIN.format(0.2)


@pytest.mark.parametrize("text", [30 * A + repeat(20, B) + CHAIN_END, repeat(20, B) + 30 * A + CHAIN_END])
def test_a_repeat_block_is_the_bulk_also_where_other_cycles_are_more(text: str) -> None:
    model = model_of(text)
    assert model.bulk[0].probability.tolist() == [0.2, 0.1]
    assert model.num_layers == 51
    assert np.array_equal(model.detector_numbers(51)[:, 0], np.arange(51))


@pytest.mark.parametrize(
    ("text", "period"),
    [
        (repeat(1000, A + B) + CHAIN_END, 2),
        (repeat(1001, A + B + A + B) + CHAIN_END, 2),
        (repeat(1000, 3 * A + 4 * B) + CHAIN_END, 7),
        (repeat(500, A + B) + repeat(501, A + B) + CHAIN_END, 2),
        (repeat(2, repeat(501, A + B)) + CHAIN_END, 2),
        (repeat(1, repeat(1001, A + B)) + CHAIN_END, 2),
        (repeat(300, repeat(2, A) + B) + CHAIN_END, 3),
        (A + repeat(1000, B + A) + CHAIN_END, 2),
        (5 * A + B + repeat(1, A) + repeat(1000, B + A) + CHAIN_END, 2),
        (repeat(1000, A) + repeat(50, B) + CHAIN_END, 1),
        (repeat(50, B) + repeat(1000, A) + CHAIN_END, 1),
        (repeat(20, B) + repeat(1000, A + B) + repeat(30, A) + CHAIN_END, 2),
        (repeat(1000, (A + B).replace("0, 0, 1", "0, 0, 0.5")) + CHAIN_END, 2),
        (repeat(1000, (A + B).replace("0, 0, 1", "0, 0, 3")) + CHAIN_END, 2),
        (repeat(1000, A.replace("0, 0, 1", "0, 0, 2") + B.replace("0, 0, 1", "0, 0, 7")) + CHAIN_END, 2),
        (repeat(1000, A.replace("(0, 0, 1) 1", " 1") + B.replace("0, 0, 1", "0, 0, 0")) + CHAIN_END, 2),
        (repeat(1000, A.replace("(0, 0, 1) 1", " 1") + B) + CHAIN_END, 1),  # two cycles at each time
        (
            (repeat(1000, A + B) + CHAIN_END)
            .replace("0, 0, 1", "0, 0, 0, 1")
            .replace("0, 0, 0) D0", "0, 0, 3, 0) D0"),
            2,
        ),
    ],
)
def test_a_period_is_found_however_it_is_written(text: str, period: int) -> None:
    dem = stim.DetectorErrorModel(text)
    folded, flat = LayeredModel.from_dem(dem), LayeredModel.from_dem(dem.flattened())
    assert folded.period == flat.period == period
    assert len(folded.seen_detectors) < 300
    check_same_layers(folded, flat)
    assert folded.num_layers == flat.num_layers
    assert folded.num_detectors == flat.num_detectors == dem.num_detectors
    numbers = flat.detector_numbers(flat.num_layers)
    assert np.array_equal(folded.detector_numbers(flat.num_layers), numbers)


def test_different_cycles_before_the_repeated_ones() -> None:
    model = model_of(repeat(5, CHAIN.format(0.2)) + repeat(1000, CHAIN.format(0.1)) + CHAIN_END)
    assert (len(model.first), len(model.last), model.num_layers) == (5, 1, 1006)


@pytest.mark.parametrize(
    "text",
    [
        repeat(1000, A) + repeat(1000, B) + CHAIN_END,
        repeat(1000, A) + repeat(1000, A + B) + CHAIN_END,
        repeat(1000, A) + B + repeat(1000, A) + CHAIN_END,
        3 * B + repeat(1001, A + B) + A + repeat(500, A + A + B) + repeat(300, B) + B + CHAIN_END,
        repeat(1000, A)
        + repeat(300, "error(0.3) D1\ndetector(1, 0, 0) D1\n" + A.replace(" D1", " D2").replace(") 1", ") 2"))
        + A
        + CHAIN_END,
    ],
)
def test_blocks_that_repeat_in_different_ways(text: str) -> None:
    dem = stim.DetectorErrorModel(text)
    folded, flat = LayeredModel.from_dem(dem), LayeredModel.from_dem(dem.flattened())
    assert not folded.bulk
    assert len(folded.edges) < 200
    count = flat.num_layers
    assert folded.num_layers == count
    assert folded.num_detectors == flat.num_detectors == dem.num_detectors
    assert np.array_equal(folded.detector_numbers(count), flat.detector_numbers(count))
    for ours, theirs in zip(folded.own_layers(0, count), flat.own_layers(0, count), strict=True):
        assert same_edges(folded.edges[ours], flat.edges[theirs])


def test_cycles_that_all_differ_are_no_bulk() -> None:
    text = "".join(CHAIN.format(0.01 * (cycle + 1)) for cycle in range(20)) + CHAIN_END
    model = model_of(text)
    assert not model.bulk
    assert (len(model.first), len(model.last), model.num_layers) == (21, 0, 21)
    with pytest.raises(ValueError, match="20 layers: this model has no repeating bulk, only 21 fit"):
        model.detector_numbers(20)


def test_detectors_numbered_column_by_column() -> None:
    layers = 30
    lines = []
    for column in range(3):
        for layer in range(layers):
            here = column * layers + layer
            lines.append(f"detector({column}, 0, {layer}) D{here}\nerror(0.1) D{here}")
            lines += [f"error(0.1) D{here} D{here + 1}"] * (layer + 1 < layers)
            lines += [f"error(0.1) D{here} D{here + layers}"] * (column < 2)
    model = model_of("\n".join(lines))
    assert model.bulk
    expected = np.arange(90).reshape(3, 30).T
    assert np.array_equal(model.detector_numbers(layers), expected)
    with pytest.raises(ValueError, match="29 layers: detectors not numbered cycle by cycle"):
        model.detector_numbers(29)


def two_cycles(numbers: list[int]) -> str:
    """Two cycles of two detectors; numbers of those of the first cycle, then of the second."""
    grid = ["0, 0, 0", "1, 0, 0", "0, 0, 1", "1, 0, 1"]
    lines = [f"detector({at}) D{d}\nerror(0.1) D{d}\n" for at, d in zip(grid, numbers, strict=True)]
    return "".join(lines) + "shift_detectors(0, 0, 2) 4\n"


def test_repeated_cycles_must_be_numbered_cycle_by_cycle() -> None:
    assert model_of(repeat(1000, two_cycles([0, 1, 2, 3]))).num_layers == 2000
    with pytest.raises(ValueError, match="not numbered cycle by cycle"):
        model_of(repeat(30_000, two_cycles([0, 2, 1, 3])))
    model = model_of(repeat(500, two_cycles([0, 2, 1, 3])))  # short enough to be written out
    assert model.detector_numbers(1000)[:4].tolist() == [[0, 2], [1, 3], [4, 6], [5, 7]]


def test_cycles_that_begin_inside_a_repetition() -> None:
    # Each repetition has the first detector of its cycle and the second one of the cycle before.
    body = "error(0.1) D0\nerror(0.1) D1\ndetector(0, 0, 0) D0\ndetector(1, 0, -1) D1\n"
    shift = "shift_detectors(0, 0, 1) {}\n"
    first = "error(0.2) D0\ndetector(0, 0, 0) D0\n" + shift.format(1)
    last = "error(0.2) D0\ndetector(1, 0, -1) D0\n"
    model = model_of(first + repeat(1000, body + shift.format(2)) + last)
    assert model.num_layers == 1001
    assert model.detector_numbers(1001)[[0, 1, 2, 1000]].tolist() == [[0, 2], [1, 4], [3, 6], [1999, 2001]]


@settings(max_examples=60)
@given(made=layered_dems(), repeats=st.integers(13, 40))
def test_a_repeat_block_says_the_same_as_its_cycles(made: tuple[str, int], repeats: int) -> None:
    text, tail = made
    dem = stim.DetectorErrorModel(text.format(repeats=repeats))
    folded, flat = LayeredModel.from_dem(dem), LayeredModel.from_dem(dem.flattened())
    assert folded.num_layers == flat.num_layers == repeats + tail
    assert folded.num_detectors == flat.num_detectors == dem.num_detectors
    check_same_layers(folded, flat)
    numbers = flat.detector_numbers(repeats + tail)
    assert np.array_equal(numbers, folded.detector_numbers(repeats + tail))
    assert np.array_equal(numbers, np.arange(dem.num_detectors).reshape(numbers.shape))


# --- lengths


def test_lengths_that_a_memory_can_have() -> None:
    model = LayeredModel.from_dem(dem_of(memory(CODES["surface-css-cz"], rounds=10)))
    fixed = len(model.first) + len(model.last)
    assert fixed == 4
    for layers in range(fixed, 40):
        model.check_length(layers)
        edges = model.layer_edges(0, layers, to_end=True)
        assert len(edges) == layers
        assert sum(same_edges(layer, model.bulk[0]) for layer in edges) == layers - fixed
    for layers in (3, 0, -1):
        with pytest.raises(
            ValueError,
            match=f"{layers} layers: must be at least 4",
        ):
            model.check_length(layers)
        with pytest.raises(ValueError, match=f"{layers} layers"):
            model.detector_numbers(layers)


@pytest.mark.parametrize("name", ["surface-css-cz", "repetition-cx"])
@pytest.mark.parametrize("rounds", [4, 5, 6, 7, 12, 29, 40])
def test_detector_numbers_of_any_length(name: str, rounds: int) -> None:
    # A model made from one length knows the numbers of another: those of that length's own circuit.
    circuit = memory(CODES[name], rounds=rounds)
    coordinates = circuit.get_detector_coordinates()
    for made_from in (6, 40, 10**5):
        model = LayeredModel.from_dem(dem_of(memory(CODES[name], rounds=made_from)))
        numbers = model.detector_numbers(rounds + 1)
        grid = {
            (*model.stabilizers[column], float(layer)): int(numbers[layer, column])
            for layer, column in np.argwhere(numbers >= 0)
        }
        assert grid == {tuple(place): number for number, place in coordinates.items()}


def test_no_detectors() -> None:
    model = model_of("error(0.1) L2")
    assert (model.num_layers, model.num_columns, model.num_detectors) == (1, 0, 0)
    assert model.num_observables == 3
    assert model.detector_numbers(1).shape == (1, 0)


# --- models without layers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("error(0.1) D0 D1\ndetector(0, 0, 0) D0", r"detector D1 has no time coordinate \(1 such"),
        ("error(0.1) D0 D1\ndetector(0) D0", r"detector D0 has no time coordinate \(2 such"),
        (
            "error(0.1) D0 D1 D2\ndetector(0, 0, 0) D0\ndetector(1, 0, 0) D1\ndetector(2, 0, 0) D2",
            "decompose_errors=True",
        ),
        ("error(0.6) D0\ndetector(1, 2, 5) D0", "probability above one half"),
        ("error(1) D0\ndetector(1, 2, 5) D0", "probability above one half"),
        ("error(1) L0", "probability above one half"),
        ("error(0.6) L0\nerror(0.1) D0\ndetector(0, 0, 0) D0", "probability above one half"),
        (
            "error(0.1) D0 D13\ndetector(0, 0, 0) D0\nshift_detectors(0, 0, 1) 1\n"
            + repeat(10**6, CHAIN.format(0.1))
            + CHAIN_END,
            "an error of cycle 0 flips a detector 13 cycles later",
        ),
    ],
)
def test_models_without_layers_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        model_of(text)
    assert "\n" not in str(caught.value)


def test_a_circuit_without_coordinates_is_refused() -> None:
    circuit = stim.Circuit("X_ERROR(0.1) 0 1\nM 0 1\nDETECTOR rec[-1] rec[-2]")
    with pytest.raises(ValueError, match=r"D0 has no time coordinate .*coordinates \(x, y, t\)"):
        LayeredModel.from_dem(dem_of(circuit))


def test_one_half_is_no_information_but_possible() -> None:
    model = model_of("error(0.5) D0\ndetector(1, 2, 5) D0")
    assert model.first[0].weight.tolist() == [0]
