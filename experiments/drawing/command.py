"""`qec draw`: pictures of a shot's matching, of an error model, of the detection fractions on a chip."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import stim
from numpy.typing import NDArray

from decoders import MatchingGraph
from decoders.model.text_files import read_circuit_file, read_dem_file
from experiments.common.noise_options import add_noise, has_own_rates, noise_name
from experiments.common.parser import output, real, whole
from experiments.common.points import Point, decoding_model, rounds_of
from experiments.common.preparation import preparation
from experiments.common.sampling import MemorySampler
from experiments.common.shot_files import FORMATS, ShotReader, format_of, shots_per_piece
from experiments.common.terminal import Progress
from experiments.drawing.pictures import check_size, draw_detection_fractions, draw_matching, draw_model

Bits = NDArray[np.bool_]

# Simulated shots among which the first one with detection events is looked for.
_SEARCHED = 1000
_DISTANCE, _MAX_DISTANCE, _P = 5, 49, 0.003
_MEMORY = ("code", "distance", "rounds", "basis", "noise", "p", "bias")
_MAX_FRAMES = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec draw`."""
    add = parser.add_argument
    formats = "|".join(FORMATS)
    parser.epilog = (
        "Regions are drawn with their true radii, sums of dual variables of the optimal matching;\n"
        "dashed lines surround blossoms. GIF and HTML show the growth of all regions from radius zero.\n"
        "Of several solutions of equal weight, a decoder may return another one."
    )
    add("model", nargs="?", metavar="MODEL", help="circuit (.stim) or detector error model (.dem)")
    kinds = "a shot's matching, the model as a graph, or the detection fractions on the chip"
    add("--picture", choices=["matching", "model", "fractions"], default="matching", help=kinds)
    add("--code", metavar="CODE", help="without MODEL: surface, surface_zxxz, repetition; default: surface")
    add("--distance", type=whole(), metavar="D", help=f"of that code; default: {_DISTANCE}")
    add("--rounds", metavar="R", help="of that memory, such as 30 or 3d; default: d")
    add("--basis", choices=["x", "z"], help="of that memory; default: z")
    add("--p", type=real(), metavar="P", help=f"strength of the noise model; default: {_P}")
    add_noise(parser)
    add("--seed", type=whole(0), default=1, metavar="N", help="of simulated shots")
    add("--in", dest="shots_in", metavar="FILE", help="shots: detection events, in place of simulated ones")
    add("--in_format", choices=FORMATS, metavar="FORMAT", help=f"{formats}; default: the file's ending")
    first = "the first with detection events"
    add("--shot", type=whole(0), metavar="N", help=f"index of the shot, from 0; default: {first}")
    add("--detectors", nargs="+", type=whole(0), metavar="D", help="draw a shot in which these fire")
    add("--shots", type=whole(), metavar="N", help="number of simulated shots for fractions; default: 10000")
    views = "obliquely, from above, from the side; auto: 3d where x, y and time vary"
    add("--view", choices=["auto", "3d", "top", "side"], default="auto", help=views)
    parts = "draw connected components with an observable, or all"
    add("--components", choices=["observable", "all"], default="observable", help=parts)
    names = "names of the detectors' coordinates; t is drawn upwards; default: x,y,t, or x,t for two"
    add("--axes", nargs="+", choices=["x", "y", "t"], metavar="AXIS", help=names)
    add("--labels", action="store_true", help="write the numbers of detection events")
    part = "one frame at this fraction of the growth, 0 to 1; default: the solution"
    add("--at", type=real(), metavar="PART", help=part)
    add("--frames", type=whole(2), default=60, metavar="N", help="most frames of a GIF or HTML file")
    add("--width", type=real(), default=6.4, metavar="W", help="of the picture in inches")
    add("--title", metavar="TEXT", help="first line; default: what is drawn")
    add("--out", type=output(), default="qec_draw.png", metavar="FILE", help=".png, .svg, .pdf, .gif, .html")


def run(args: argparse.Namespace) -> int:
    """Read or simulate, draw; see `add_arguments`."""
    _check(args)
    source = _Source(args)
    check_size(source.num_detectors)
    if args.picture == "matching":
        events, flips, which = source.shot()
        path = _draw_matching(args, source, events, flips, source.title(which))
    elif args.picture == "model":
        # The model may have errors that stim cannot decompose.
        path = draw_model(
            source.circuit if source.dem is None else source.dem,
            path=args.out,
            title=source.title(),
            view=args.view,
            components=args.components,
            axes=args.axes,
            width=args.width,
        )
    else:
        fractions, count = source.fractions()
        path = draw_detection_fractions(
            source.circuit if source.dem is None else source.dem,
            fractions,
            path=args.out,
            title=source.title(f"{count:,} shots"),
            axes=args.axes,
            width=args.width,
        )
    print(f"Figure: {path}")
    return 0


def _draw_matching(
    args: argparse.Namespace, source: "_Source", events: Bits, flips: Bits | None, title: str
) -> Path:
    with Progress() as progress:
        with preparation("qec draw", "the matching graph", progress=progress):
            graph = MatchingGraph.from_dem(source.decoding_model())
        return draw_matching(
            graph,
            events,
            path=args.out,
            title=title,
            view=args.view,
            components=args.components,
            axes=args.axes,
            labels=args.labels,
            observable_flips=flips,
            at=1.0 if args.at is None else args.at,
            most_frames=args.frames,
            width=args.width,
            note_progress=lambda number: progress.show(f"frame {number + 1}"),
        )


def _check(args: argparse.Namespace) -> None:
    """Refuse options that contradict each other, before any work."""
    # Matplotlib takes a while to import, and `qec draw --help` does not need it.
    from experiments.plotting.canvas import WIDTHS, check_path, is_animation

    check_path(args.out, frames=args.picture == "matching")
    given = [f"--{name}" for name in _MEMORY if getattr(args, name) not in (None, "si1000")]
    if args.model is not None and given:
        raise ValueError(f"{given[0]} with a model: give MODEL or a simulated memory, not both")
    if args.detectors is not None and args.picture != "matching":
        raise ValueError(f"--detectors with --picture {args.picture}: they are for --picture matching")
    for name in ("shots_in", "shot"):
        if args.detectors is not None and getattr(args, name) is not None:
            flag = name.removeprefix("shots_")
            raise ValueError(f"--{flag} with --detectors: the shot is given twice, leave one of them out")
    if args.shots_in is None and args.in_format is not None:
        raise ValueError("--in_format without --in: give the file of shots")
    if args.shots is not None and (args.picture != "fractions" or args.shots_in is not None):
        raise ValueError("--shots is the number of simulated shots of --picture fractions, without --in")
    if args.at is not None and (args.picture != "matching" or is_animation(args.out)):
        raise ValueError("--at is for one frame of --picture matching: .png, .svg or .pdf")
    if args.at is not None and not 0 <= args.at <= 1:
        raise ValueError(f"--at {args.at:g}: must lie between 0 and 1")
    if not WIDTHS[0] <= args.width <= WIDTHS[1]:
        raise ValueError(f"--width {args.width:g}: must lie between {WIDTHS[0]:g} and {WIDTHS[1]:g} inches")
    if args.frames > _MAX_FRAMES:
        raise ValueError(f"--frames {args.frames}: at most {_MAX_FRAMES}")


class _Source:
    """The model of a command line and its shots: of files, or simulated."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self.dem: stim.DetectorErrorModel | None = None
        self._leakage = None
        if args.model is None:
            point = _memory(args)
            self.circuit, self._leakage = point.circuit(), point.leakage
            rate = "" if point.p is None else f", p = {point.p:g}"
            cycles = f"{point.rounds} cycle{'s' * (point.rounds != 1)}"
            self._name = f"{point.code}, d = {point.distance}, {cycles}, {point.noise}{rate}"
            return
        self._name = Path(args.model).name
        if not Path(args.model).is_file():
            raise FileNotFoundError(f"{args.model}: no such file")
        kinds: dict[str, Callable[[str], object]] = {
            ".stim": read_circuit_file,
            ".dem": read_dem_file,
        }
        kind = Path(args.model).suffix
        if kind not in kinds:
            raise ValueError(f"{args.model}: the name must end in .stim (circuit) or .dem (error model)")
        try:
            found = kinds[kind](args.model)
        except (ValueError, IndexError) as error:
            raise ValueError(f"{args.model}: cannot be read as {kind}: {error}") from None
        if isinstance(found, stim.Circuit):
            self.circuit = found
        else:
            self.dem = found

    def title(self, more: str = "") -> str:
        if self._args.title is not None:
            return str(self._args.title)
        return f"{self._name}, {more}" if more else self._name

    def decoding_model(self) -> stim.DetectorErrorModel:
        """Return the DEM for matching."""
        if self.dem is not None:
            return self.dem
        try:
            return decoding_model(self.circuit)
        except ValueError as error:
            reason = str(error).strip().splitlines()[0]
            raise ValueError(f"matching needs errors on at most two detectors: {reason}") from None

    @property
    def num_detectors(self) -> int:
        return self._sizes[0]

    @property
    def _sizes(self) -> tuple[int, int]:
        model = self.circuit if self.dem is None else self.dem
        return model.num_detectors, model.num_observables

    def _sample(self, shots: int) -> tuple[Bits, Bits]:
        seed = self._args.seed
        if self.dem is not None:
            events, flips, _ = self.dem.compile_sampler(seed=seed).sample(shots)
            return events, flips
        packed = MemorySampler(self.circuit, leakage=self._leakage, seed=seed).sample(shots)
        events, flips = (
            np.unpackbits(part, axis=1, count=size, bitorder="little").astype(np.bool_)
            for part, size in zip(packed, self._sizes, strict=True)
        )
        return events, flips

    def _pieces(self) -> Iterator[Bits]:
        """Generate the shots of the file, bool (shots, num_detectors) each."""
        args = self._args
        if not Path(args.shots_in).is_file():
            raise FileNotFoundError(f"--in {args.shots_in}: no such file")
        num_detectors, _ = self._sizes
        with Path(args.shots_in).open("rb") as file:
            reader = ShotReader(
                file=file,
                name=args.shots_in,
                format=format_of(args.shots_in, given=args.in_format, flag="--in_format"),
                num_detectors=num_detectors,
                shots_per_piece=shots_per_piece(num_detectors),
            )
            for events, _ in reader:
                yield np.unpackbits(events, axis=1, count=num_detectors, bitorder="little").astype(np.bool_)

    def shot(self) -> tuple[Bits, Bits | None, str]:
        """Return the detection events of the shot, its true flips if known, and its name."""
        args = self._args
        num_detectors, _ = self._sizes
        if args.detectors is not None:
            for detector in args.detectors:
                if detector >= num_detectors:
                    raise ValueError(
                        f"--detectors {detector}: the model has detectors 0 to {num_detectors - 1}"
                    )
            events = np.zeros(num_detectors, dtype=np.bool_)
            events[args.detectors] = True
            return events, None, "given detectors"
        if args.shots_in is not None:
            first = 0
            for piece in self._pieces():
                at = _choose(piece, None if args.shot is None else args.shot - first)
                if at is not None:
                    return piece[at], None, f"shot {first + at} of {Path(args.shots_in).name}"
                first += len(piece)
            what = "has no detection events" if args.shot is None else f"has no shot {args.shot}"
            raise ValueError(f"--in {args.shots_in}: {what}, it has {first} shots, counted from 0")
        events, flips = self._sample(max(_SEARCHED, (args.shot or 0) + 1))
        at = _choose(events, args.shot)
        if at is None:
            raise ValueError(
                f"no detection events in {len(events)} shots: take stronger noise or more cycles"
            )
        return events[at], flips[at], f"shot {at} of seed {args.seed}"

    def fractions(self) -> tuple[NDArray[np.float64], int]:
        """Return how often each detector fires, and in how many shots."""
        if self._args.shots_in is None:
            count = self._args.shots or 10_000
            return self._sample(count)[0].mean(axis=0), count
        times = np.zeros(self._sizes[0], dtype=np.int64)
        count = 0
        for piece in self._pieces():
            times += piece.sum(axis=0)
            count += len(piece)
        if count == 0:
            raise ValueError(f"--in {self._args.shots_in}: it has no shots")
        return times / count, count


def _choose(events: Bits, index: int | None) -> int | None:
    """Return the index of the shot to draw, or None if it is not among these."""
    if index is None:
        fired = np.flatnonzero(events.any(axis=1))
        return int(fired[0]) if fired.size else None
    return index if 0 <= index < len(events) else None


def _memory(args: argparse.Namespace) -> Point:
    noise = noise_name(args.noise, args.bias)
    own_rates = has_own_rates(noise)
    if args.p is not None and own_rates:
        raise ValueError("--p with a device: a device has rates of its own, leave --p out")
    distance = args.distance or _DISTANCE
    if distance > _MAX_DISTANCE:
        raise ValueError(f"--distance {distance}: at most {_MAX_DISTANCE} can be drawn")
    point = Point(
        code=args.code or "surface",
        gates="cz",
        distance=distance,
        rounds=rounds_of(args.rounds or "d", distance=distance),
        basis=args.basis or "z",
        noise=noise,
        p=None if own_rates else _P if args.p is None else args.p,
    )
    point.metadata()
    return point
