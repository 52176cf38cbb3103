"""Process that tries the cases of one subject; a finding leaves its bytes in a folder.

Guided by coverage, with Atheris: mutations that reach new branches are kept and mutated again; kernels are
interpreted, so that their branches count. Otherwise cases are drawn from the strategies, half of them
spoilt, and kernels are compiled.

The case at work is in a file that outlives this process: its parent reads it after a crash, or an end for
lack of memory or time.
"""

import argparse
import faulthandler
import hashlib
import json
import mmap
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

#: Seconds of processor time of one case; bytes that it may allocate, and by which all cases may grow memory.
MAX_SECONDS, _MAX_BYTES, _MAX_GROWTH = 20.0, 4 << 30, 256 << 20
#: Names of cases at which a process ended begin with this.
ENDED = "ended"
_ROOM = 1 << 20  # of the file with the case
_WARM = 500  # cases after which memory should not grow
_PACKAGES = {"qec", "decoders", "realtime", "experiments", "tomllib"}


class Case:
    """File with the case at work, and the number of cases before it."""

    def __init__(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size != _ROOM:
            path.write_bytes(bytes(_ROOM))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _ROOM)

    def begin(self, data: bytes) -> None:
        """Store a case, cut to the file's size."""
        data = data[: _ROOM - 16]
        self._map[:8] = len(data).to_bytes(8, "little")
        self._map[16 : 16 + len(data)] = data

    def end(self) -> int:
        """Count the case, and forget it; return the number of cases."""
        number = self.number + 1
        self._map[:16] = bytes(8) + number.to_bytes(8, "little")
        return number

    @property
    def number(self) -> int:
        """Cases that have ended."""
        return int.from_bytes(self._map[8:16], "little")

    @property
    def data(self) -> bytes:
        """The case at work, empty without."""
        return bytes(self._map[16 : 16 + int.from_bytes(self._map[:8], "little")])


def kind_of(error: BaseException) -> str:
    """Name the kind of a finding: the exception, and the last line of the project or the checks."""
    if type(error).__name__ == "BadRefusalError" and error.__cause__ is not None:
        return f"message of {kind_of(error.__cause__)}"
    places = [
        f"{Path(frame.filename).parent.name}/{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and f"python{sys.version_info[0]}." not in frame.filename
    ]
    return f"{type(error).__name__} at {places[-1] if places else '?'}"


def resident() -> int:
    """Return the bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Trial:
    """Tries cases, and keeps one case of each kind of finding, the shortest."""

    def __init__(self, check: Callable[[bytes], None], *, case: Case, out: Path) -> None:
        self._check, self._case, self._out = check, case, out
        self._found: dict[str, int] = {}
        self._base = 0

    def __call__(self, data: bytes) -> None:
        """Try one case."""
        self._case.begin(data)
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
        try:
            self._check(data)
        except Exception as error:
            self.keep(data, kind_of(error), str(error))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        number = self._case.end()
        if number == _WARM:
            self._base = resident()
        elif self._base and number % 1000 == 0 and resident() > self._base + _MAX_GROWTH:
            self.keep(data, "MemoryGrowth", f"from {self._base} to {resident()} bytes in {number} cases")
            self._base = resident()

    def keep(self, data: bytes, kind: str, message: str) -> None:
        """Store a case that failed, unless a shorter one of this kind is known."""
        if len(data) < self._found.get(kind, 1 << 60):
            self._found[kind] = len(data)
            name = hashlib.sha256(kind.encode()).hexdigest()[:12]
            (self._out / name).write_bytes(data)
            (self._out / f"{name}.json").write_text(json.dumps({"kind": kind, "message": message[:2000]}))


def minimised(check: Callable[[bytes], None], data: bytes, *, seconds: float) -> bytes:
    """Remove bytes of a case, then simplify the others, as long as it fails in the same way."""

    def fails(candidate: bytes) -> str:
        try:
            check(candidate)
        except Exception as error:
            return kind_of(error)
        return ""

    wanted, end = fails(data), time.monotonic() + seconds
    size = len(data) // 2
    while wanted and size and time.monotonic() < end:
        at = 0
        while at < len(data) and time.monotonic() < end:
            candidate = data[:at] + data[at + size :]
            if fails(candidate) == wanted:
                data = candidate
            else:
                at += size
        size //= 2
    for at in range(len(data)):
        for simple in (0, ord("0")):
            candidate = data[:at] + bytes([simple]) + data[at + 1 :]
            if (
                wanted
                and data[at] not in (0, ord("0"))
                and time.monotonic() < end
                and fails(candidate) == wanted
            ):
                data = candidate
    return data


def draw(subject: str, number: int, seed: int) -> list[bytes]:
    """Draw cases, every other one spoilt."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    from tests.fuzzing.formats import spoilt
    from tests.fuzzing.subjects import SUBJECTS

    (found,) = [one for one in SUBJECTS if one.name == subject]
    cases: list[bytes] = []

    @seeded(seed)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(found.cases() | spoilt(found.cases()))
    def collect(data: bytes) -> None:
        cases.append(data)

    collect()
    return cases


def main() -> None:
    """Try cases until the time, or their number, is up."""
    parser = argparse.ArgumentParser()
    parser.add_argument("subject")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--cases", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=["guided", "drawn", "replay", "minimise"], required=True)
    args = parser.parse_args()
    os.fsync = lambda file: None  # type: ignore[assignment] # files of cases need not survive
    atheris = None
    if args.mode == "guided":
        import atheris

        with atheris.instrument_imports(include=sorted(_PACKAGES)):
            check, words = _load(args.subject)
    else:
        check, words = _load(args.subject)
    case = Case(args.folder / "case")
    findings = args.folder / "findings"
    findings.mkdir(exist_ok=True)
    trial = Trial(check, case=case, out=findings)
    kept = args.folder / "kept"
    kept.mkdir(exist_ok=True)
    check(b"")  # compiles, and loads what the check keeps
    if args.mode != "minimise":
        # The signal ends this process even where compiled code does not return.
        faulthandler.register(signal.SIGPROF, chain=True)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MAX_BYTES, used + _MAX_BYTES))
    if args.mode == "minimise":
        for path in sorted(findings.iterdir()):
            if not path.suffix and not path.name.startswith(ENDED):
                path.write_bytes(minimised(check, path.read_bytes(), seconds=args.seconds))
    elif args.mode == "replay":
        for path in sorted(kept.iterdir()):
            trial(path.read_bytes())
    elif atheris is not None:
        for number, data in enumerate(draw(args.subject, 300, args.seed)):
            (kept / f"seed{args.seed}-{number}").write_bytes(data)
        dictionary = args.folder / "words"
        dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in words))
        options = f"-max_total_time={int(args.seconds)} -seed={args.seed} -max_len=4096 -rss_limit_mb=0 "
        options += f"-timeout=3600 -artifact_prefix={args.folder}/ "
        options += f"-runs={args.cases} " * bool(args.cases) + f"-dict={dictionary} " * bool(words)
        atheris.Setup([sys.argv[0], *options.split(), str(kept)], trial)
        atheris.Fuzz()
    else:
        end, number, seed = time.monotonic() + args.seconds, 0, args.seed
        size = 25  # of a batch: some subjects take 20 ms to draw a case
        while time.monotonic() < end and (not args.cases or number < args.cases):
            for data in draw(args.subject, min(size, args.cases - number) if args.cases else size, seed):
                if time.monotonic() > end:
                    break
                trial(data)
                number += 1
            seed += 1000
            size = min(2 * size, 200)


def _load(name: str) -> tuple[Callable[[bytes], None], tuple[str, ...]]:
    from tests.fuzzing.subjects import SUBJECTS

    (subject,) = [one for one in SUBJECTS if one.name == name]
    return subject.load(), subject.words


def _escaped(word: str) -> str:
    return "".join(
        c
        if c.isascii() and c.isprintable() and c not in '"\\'
        else "".join(f"\\x{b:02x}" for b in c.encode("latin-1"))
        for c in word
    )


if __name__ == "__main__":
    main()
