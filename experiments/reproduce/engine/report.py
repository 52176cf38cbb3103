"""The report: Markdown with its figures beside it, one HTML file with everything inside, one JSON."""

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.reproduce.engine.figure import Row, Section, Table
from qec.statistics import Estimate

_TITLE = "Below threshold, in simulation"
_INTRODUCTION = (
    'Results of "Quantum error correction below the surface code threshold" (Nature 638, 920 (2025), '
    "arXiv 2408.13687), simulated and decoded by this project, beside the published values. Nothing was "
    "adjusted to meet a published logical error rate, but for the noise of the repetition codes (by their "
    "Lambda at small distances); each section says what was calibrated, and by what."
)
_KINDS = {
    "input": "taken from the paper",
    "calibrated": "calibrated",
    "predicted": "predicted",
    "measured": "measured on this machine",
}
_HEADER = ("quantity", "here", "published", "is", "remark")

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.25rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #ddd; padding: 0.25rem 0.7rem; text-align: left; vertical-align: top; }
th { background: #f4f4f4; } caption { text-align: left; font-weight: 600; padding: 0.3rem 0; }
img { max-width: 100%; } figcaption { color: #555; font-size: 0.9rem; } figure { margin: 1.2rem 0; }
.predicted { color: #00508f; } .calibrated { color: #a85b00; } .input { color: #555; }
code { background: #f4f4f4; padding: 0.1rem 0.3rem; overflow-wrap: anywhere; }
"""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A figure's part of the report.

    Attributes:
        name: as on the command line.
        title: heading.
        section: what it says; None if its jobs are not finished.
        shots: simulated for it.
        jobs: number of its jobs, and those finished.
        command: makes this chapter alone.
    """

    name: str
    title: str
    section: Section | None
    shots: int
    jobs: tuple[int, int]
    command: str


def write(folder: Path, *, chapters: Sequence[Chapter], facts: Sequence[tuple[str, str]]) -> list[Path]:
    """Draw all figures and write `report.md`, `report.html` and `results.json`.

    Args:
        folder: exists.
        chapters: in order.
        facts: what the run was: (name, value) pairs.

    Returns:
        The files, the report to read first.
    """
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    for chapter in chapters:
        for picture in chapter.section.pictures if chapter.section else ():
            picture.draw(figures / f"{picture.name}.png")
    texts = {
        "report.html": _html(figures, chapters, facts),
        "report.md": _markdown(chapters, facts),
        "results.json": _json(chapters, facts),
    }
    for name, text in texts.items():
        # Readers of an older report never see half a file.
        part = folder / f"{name}.partial"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)
    return [folder / name for name in texts]


def comparison(rows: Sequence[Row]) -> Table:
    """Ours beside published, as a table of text."""
    cells = [
        [row.quantity, row.our_words(), row.published or "-", _KINDS[row.kind], row.note] for row in rows
    ]
    return Table(
        title="Here and published; intervals are 95 % unless said otherwise", header=_HEADER, rows=cells
    )


def _tables(section: Section) -> list[Table]:
    return ([comparison(section.rows)] if section.rows else []) + list(section.tables)


def _status(chapter: Chapter) -> str:
    total, done = chapter.jobs
    if chapter.section is None:
        return f"Not finished: {done} of {total} jobs done; the same command goes on from there."
    return f"{chapter.shots:,} shots simulated for it." if chapter.shots else ""


def _markdown(chapters: Sequence[Chapter], facts: Sequence[tuple[str, str]]) -> str:
    lines = [
        f"# {_TITLE}",
        "",
        _INTRODUCTION,
        "",
        *_markdown_table(("what", "is"), [list(f) for f in facts]),
        "",
    ]
    for chapter in chapters:
        lines += [f"## {chapter.title}", "", f"`{chapter.command}`. {_status(chapter)}".rstrip(), ""]
        section = chapter.section
        if section is None:
            continue
        lines += [section.summary, ""]
        lines += [f"- Calibrated: {section.calibrated}", f"- Predicted: {section.predicted}", ""]
        for picture in section.pictures:
            lines += [f"![{picture.caption}](figures/{picture.name}.png)", "", f"*{picture.caption}*", ""]
        for table in _tables(section):
            lines += [f"**{table.title}**", "", *_markdown_table(table.header, table.rows), ""]
        if section.limits:
            lines += ["What the simulation lacks:", "", *[f"- {limit}" for limit in section.limits], ""]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(header), "|" + "---|" * len(header), *[line(row) for row in rows]]


def _html(figures: Path, chapters: Sequence[Chapter], facts: Sequence[tuple[str, str]]) -> str:
    parts = [
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_TITLE}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_TITLE}</h1><p>{html.escape(_INTRODUCTION)}</p>",
        _html_table(Table(title="", header=("what", "is"), rows=[list(fact) for fact in facts])),
        "<ul>",
        *[f'<li><a href="#{c.name}">{html.escape(c.title)}</a></li>' for c in chapters],
        "</ul>",
    ]
    for chapter in chapters:
        parts.append(f'<h2 id="{chapter.name}">{html.escape(chapter.title)}</h2>')
        parts.append(f"<p><code>{html.escape(chapter.command)}</code> {html.escape(_status(chapter))}</p>")
        section = chapter.section
        if section is None:
            continue
        parts += [f"<p>{html.escape(text)}</p>" for text in section.summary.split("\n\n")]
        parts.append(
            f'<ul><li><b class="calibrated">Calibrated:</b> {html.escape(section.calibrated)}</li>'
            f'<li><b class="predicted">Predicted:</b> {html.escape(section.predicted)}</li></ul>'
        )
        for picture in section.pictures:
            data = base64.b64encode((figures / f"{picture.name}.png").read_bytes()).decode("ascii")
            caption = html.escape(picture.caption, quote=True)
            parts.append(
                f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
                f"<figcaption>{caption}</figcaption></figure>"
            )
        parts += [_html_table(table) for table in _tables(section)]
        if section.limits:
            items = "".join(f"<li>{html.escape(limit)}</li>" for limit in section.limits)
            parts.append(f"<p>What the simulation lacks:</p><ul>{items}</ul>")
    parts.append("</body></html>\n")
    return "\n".join(parts)


def _html_table(table: Table) -> str:
    def cell(text: str) -> str:
        kind = next((kind for kind, words in _KINDS.items() if words == text), None)
        return f'<td class="{kind}">{text}</td>' if kind else f"<td>{html.escape(text)}</td>"

    caption = f"<caption>{html.escape(table.title)}</caption>" if table.title else ""
    head = "".join(f"<th>{html.escape(title)}</th>" for title in table.header)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in table.rows)
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _json(chapters: Sequence[Chapter], facts: Sequence[tuple[str, str]]) -> str:
    figures = {}
    for chapter in chapters:
        section = chapter.section
        if section is None:
            continue
        rows = [
            {
                "quantity": row.quantity,
                "here": asdict(row.ours) if isinstance(row.ours, Estimate) else row.ours,
                "note": row.note,
                "published": row.published,
                "is": row.kind,
            }
            for row in section.rows
        ]
        figures[chapter.name] = {"shots": chapter.shots, "rows": rows, "data": dict(section.data)}
    return json.dumps(_finite({"run": dict(facts), "figures": figures}), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """The same with None for what is no finite number: JSON knows no infinity."""
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
