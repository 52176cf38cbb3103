"""Report of `qec hardware`: errors by experiment, fits by patch, totals and Lambda by distance."""

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from string import ascii_uppercase

from experiments.common.numbers import estimate, number
from experiments.common.terminal import table
from experiments.hardware.results import DECODED, PUBLISHED, Fit, Result, Total, suppression

_LONGEST_NAME = 39
_LONG_FOLDER = 30

Key = tuple[str, str]  # source and decoder


def report(results: Sequence[Result], fits: Sequence[Fit], totals: Sequence[Total]) -> str:
    """Format the whole report, without a final newline.

    Published predictions are columns A, B, ... whose names stand below the first table.
    """
    every = dict.fromkeys((result.source, result.decoder) for result in results)
    keys = [key for key in every if key[0] == DECODED]
    published = sorted(key for key in every if key[0] == PUBLISHED)
    letters = {key: _letter(index) for index, key in enumerate(published)}
    parts = [_models(results), _experiments(results, keys, letters)]
    if letters:
        parts[-1] += "\n\n" + _legend(letters)
    if fits:
        parts.append(
            "logical error per cycle, fitted over cycles with free intercept (95 % intervals)\n\n"
            + _memories(fits, keys, letters)
        )
    parts.append(_by_distance(totals, letters))
    return "\n\n".join(parts)


def _letter(index: int) -> str:
    return ascii_uppercase[index % 26] * (index // 26 + 1)


def _short(name: str) -> str:
    """Shorten a long name in the middle."""
    half = (_LONGEST_NAME - 1) // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[-half:]}"


def _folders(names: Sequence[str]) -> list[str]:
    """Long folder names without what all of them begin with."""
    if max(map(len, names)) <= _LONG_FOLDER or len(names) == 1:
        return list(names)
    first, last = min(names), max(names)  # what these two share, all share
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    start = max(first.rfind("_", 0, same), first.rfind("/", 0, same)) + 1
    return [_short("…" + name[start:] if start > 1 else name) for name in names]


def _named(key: Key, letters: dict[Key, str]) -> str:
    """Name a decoder; a published one by its letter and a short form."""
    if key not in letters:
        return _short(key[1])
    plain = key[1].replace("_decoder_with_", "_with_").replace("_with_", " + ").removesuffix("_prior")
    return f"{letters[key]}: {_short(plain)}"


def _models(results: Sequence[Result]) -> str:
    used = Counter(model for model, _ in {(r.model, r.folder) for r in results if r.source == DECODED})
    if len(used) == 1:
        return f"error model: {next(iter(used))}"
    return "error models: " + ", ".join(f"{name} ({count} experiments)" for name, count in used.items())


def _legend(letters: dict[Key, str]) -> str:
    # textwrap does not break at the no-break space.
    names = [f"{letter}:\N{NO-BREAK SPACE}{decoder}" for (_, decoder), letter in letters.items()]
    text = textwrap.fill(
        "errors of the published predictions: " + ", ".join(names),
        shutil.get_terminal_size().columns,
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    return text.replace("\N{NO-BREAK SPACE}", " ")


def _experiments(results: Sequence[Result], keys: Sequence[Key], letters: dict[Key, str]) -> str:
    found: dict[str, dict[Key, Result]] = {}
    for result in results:
        found.setdefault(result.folder, {})[result.source, result.decoder] = result
    rows = list(found.values())
    some = [next(iter(row.values())) for row in rows]
    columns = [
        ["folder", *_folders(list(found))],
        ["d", *(str(one.distance) for one in some)],
        ["cycles", *(str(one.cycles) for one in some)],
        ["basis", *(one.basis for one in some)],
        ["shots", *(str(one.shots) for one in some)],
        ["detection fraction", *(f"{one.detection_fraction:.4f}" for one in some)],
    ]
    for key in keys:
        name = _short(key[1])
        columns.append([f"{name} errors", *(str(row[key].errors) for row in rows)])
        columns.append([f"{name} per cycle", *(number(row[key].epsilon.value) for row in rows)])
    for key, letter in letters.items():
        columns.append([letter, *(str(row[key].errors) if key in row else "-" for row in rows)])
    return _columns(columns)


def _columns(columns: Sequence[Sequence[str]]) -> str:
    header, *rows = zip(*columns, strict=True)
    return table(header, rows, left=1)


def _memories(fits: Sequence[Fit], keys: Sequence[Key], letters: dict[Key, str]) -> str:
    found: dict[tuple[int, str, str], dict[Key, Fit]] = {}
    for fit in fits:
        found.setdefault((fit.distance, fit.patch, fit.basis), {})[fit.source, fit.decoder] = fit
    ordered = sorted(found.items(), key=lambda item: item[0][0])
    rows = [row for _, row in ordered]
    columns = [
        ["patch", *(_short(patch) for (_, patch, _), _ in ordered)],
        ["d", *(str(distance) for (distance, _, _), _ in ordered)],
        ["basis", *(basis for (_, _, basis), _ in ordered)],
        ["cycles", *(_cycles(row.values()) for row in rows)],
    ]
    for key in keys:
        cells = (estimate(row[key].cycle_fit.epsilon) if key in row else "-" for row in rows)
        columns.append([_short(key[1]), *cells])
    for key, letter in letters.items():
        values = (number(row[key].cycle_fit.epsilon.value) if key in row else "-" for row in rows)
        columns.append([letter, *values])
    return _columns(columns)


def _cycles(fits: Iterable[Fit]) -> str:
    cycles = max((fit.cycles for fit in fits), key=len)
    if len(cycles) <= 4:
        return ",".join(map(str, cycles))
    return f"{cycles[0]}..{cycles[-1]} ({len(cycles)})"


def _by_distance(totals: Sequence[Total], letters: dict[Key, str]) -> str:
    header = ["decoder", "d", "folders", "shots", "errors"]
    rows = [
        [
            _named((total.source, total.decoder), letters),
            *(str(total.distance), str(total.experiments), str(total.shots), str(total.errors)),
        ]
        for total in totals
    ]
    if any(total.epsilon is not None for total in totals):
        header.append("mean error per cycle")
        for row, total in zip(rows, totals, strict=True):
            row.append("-" if total.epsilon is None else estimate(total.epsilon))
    text = "totals by distance; means are those of the fits\n\n" + table(header, rows, keys=2, left=1)
    lambdas = suppression(totals)
    if lambdas:
        ratios = [
            (_named(key, letters), ",".join(map(str, fit.distances)), estimate(fit.value))
            for key, fit in lambdas.items()
        ]
        text += "\n\n" + table(("decoder", "d", "Lambda"), ratios, left=1)
    return text
