"""What `qec hardware` prints: errors by experiment, fits by patch, sums and Lambda by distance."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from string import ascii_uppercase

from experiments.common.tables import estimate, number
from experiments.hardware.results import DECODED, PUBLISHED, Fit, Result, Total, suppression

WIDTH = 110
_LONGEST_NAME = 39
_LONG_FOLDER = 30

Key = tuple[str, str]  # source and decoder


def report(results: Sequence[Result], fits: Sequence[Fit], totals: Sequence[Total]) -> str:
    """The whole text, at most `WIDTH` characters wide, without a final newline.

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


def side_by_side(groups: Sequence[Sequence[str]], *, width: int = WIDTH) -> str:
    """Blocks of lines beside each other; where they do not fit, another tier begins with the first block.

    Args:
        groups: blocks of equally many lines, the lines of a block equally long.
        width: greatest length of a line (a tier of two blocks may exceed it, if a block is that wide).
    """
    first, *others = groups
    tiers: list[list[Sequence[str]]] = [[first]]
    for block in others:
        used = sum(len(part[0]) + 2 for part in tiers[-1])
        if len(tiers[-1]) > 1 and used + len(block[0]) > width:
            tiers.append([first])
        tiers[-1].append(block)
    return "\n\n".join(
        "\n".join("  ".join(parts).rstrip() for parts in zip(*tier, strict=True)) for tier in tiers
    )


def block(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 0) -> list[str]:
    """A title, a header and rows as lines of one length; the first `left` columns are aligned to the left."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    longest = max(len(title), len(lines[0]))
    return [line.rjust(longest) for line in (title, *lines)]


def _letter(index: int) -> str:
    return ascii_uppercase[index % 26] * (index // 26 + 1)


def _short(name: str) -> str:
    """A name that leaves room for numbers: a long one loses its middle."""
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
    """The decoder with its letter; of a published name only what differs, the legend has all of it."""
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
        WIDTH,
        subsequent_indent="  ",
        break_on_hyphens=False,
    )
    return text.replace("\N{NO-BREAK SPACE}", " ")


def _experiments(results: Sequence[Result], keys: Sequence[Key], letters: dict[Key, str]) -> str:
    found: dict[str, dict[Key, Result]] = {}
    for result in results:
        found.setdefault(result.folder, {})[result.source, result.decoder] = result
    rows = list(found.values())
    any_result = [next(iter(row.values())) for row in rows]
    groups = [
        block(
            "detection",
            ("folder", "d", "cycles", "basis", "shots", "fraction"),
            [
                (
                    name,
                    str(result.distance),
                    str(result.cycles),
                    result.basis,
                    str(result.shots),
                    f"{result.detection_fraction:.4f}",
                )
                for name, result in zip(_folders(list(found)), any_result, strict=True)
            ],
            left=1,
        )
    ]
    for key in keys:
        cells = [(str(row[key].errors), number(row[key].epsilon.value)) for row in rows]
        groups.append(block(_short(key[1]), ("errors", "per cycle"), cells))
    for key, letter in letters.items():
        counts = [(str(row[key].errors) if key in row else "-",) for row in rows]
        groups.append(block("", (letter,), counts))
    return side_by_side(groups)


def _memories(fits: Sequence[Fit], keys: Sequence[Key], letters: dict[Key, str]) -> str:
    found: dict[tuple[int, str, str], dict[Key, Fit]] = {}
    for fit in fits:
        found.setdefault((fit.distance, fit.patch, fit.basis), {})[fit.source, fit.decoder] = fit
    ordered = sorted(found.items(), key=lambda item: item[0][0])
    rows = [row for _, row in ordered]
    groups = [
        block(
            "",
            ("patch", "d", "basis", "cycles"),
            [
                (_short(patch), str(distance), basis, _cycles(row.values()))
                for (distance, patch, basis), row in ordered
            ],
            left=1,
        )
    ]
    for key in keys:
        cells = [(estimate(row[key].cycle_fit.epsilon) if key in row else "-",) for row in rows]
        groups.append(block("", (_short(key[1]),), cells))
    for key, letter in letters.items():
        values = [(number(row[key].cycle_fit.epsilon.value) if key in row else "-",) for row in rows]
        groups.append(block("", (letter,), values))
    return side_by_side([group[1:] for group in groups])


def _cycles(fits: Iterable[Fit]) -> str:
    cycles = max((fit.cycles for fit in fits), key=len)
    if len(cycles) <= 4:
        return ",".join(map(str, cycles))
    return f"{cycles[0]}..{cycles[-1]} ({len(cycles)})"


def _by_distance(totals: Sequence[Total], letters: dict[Key, str]) -> str:
    header = ("d", "decoder", "folders", "shots", "errors")
    rows = [
        (
            str(total.distance),
            _named((total.source, total.decoder), letters),
            str(total.experiments),
            str(total.shots),
            str(total.errors),
        )
        for total in totals
    ]
    blocks = [block("", header, rows, left=2)[1:]]
    if any(total.epsilon is not None for total in totals):
        cells = [("-" if total.epsilon is None else estimate(total.epsilon),) for total in totals]
        blocks.append(block("", ("mean error per cycle",), cells)[1:])
    text = "totals by distance; means are those of the fits\n\n" + side_by_side(blocks)
    lambdas = suppression(totals)
    if lambdas:
        ratios = [
            (",".join(map(str, fit.distances)), _named(key, letters), estimate(fit.value))
            for key, fit in lambdas.items()
        ]
        lines = block("", ("d", "decoder", "Lambda"), ratios, left=2)[1:]
        text += "\n\n" + "\n".join(line.rstrip() for line in lines)
    return text
