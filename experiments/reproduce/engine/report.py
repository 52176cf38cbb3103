"""The report as Markdown with figures, as one self-contained HTML file, and as JSON."""

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from experiments.common.json_file import write_json
from experiments.reproduce.engine.figure import Row, Section, Table
from qec.files import write_file
from qec.statistics import Estimate

_TITLE = "Below threshold, in simulation"
_INTRODUCTION = (
    'Results of "Quantum error correction below the surface code threshold" (Nature 638, 920 (2025), '
    "arXiv 2408.13687), simulated and decoded by this project, compared with the published values. Nothing "
    "was adjusted to meet a published logical error rate, but for the noise of the repetition codes (by "
    "their Lambda at small distances); each section says what was calibrated, and by what."
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
th { background: #f4f4f4; }
img { max-width: 100%; } em { color: #555; font-size: 0.9rem; }
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
    markdown = _markdown(chapters, facts)
    texts = {"report.html": _html(figures, chapters, markdown), "report.md": markdown}
    for name, text in texts.items():
        write_file(folder / name, text)
    write_json(folder / "results.json", _data(chapters, facts))
    return [folder / name for name in (*texts, "results.json")]


def comparison(rows: Sequence[Row]) -> Table:
    """Make the table that compares our values with the published ones."""
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
        return f"Not finished: {done} of {total} jobs done; run the same command to continue."
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


def _html(figures: Path, chapters: Sequence[Chapter], markdown: str) -> str:
    """Render the Markdown report as one page with its figures inside, and a table of contents."""
    contents = "\n".join(f"- [{chapter.title}](#{chapter.name})" for chapter in chapters)
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown.replace("\n## ", f"\n{contents}\n\n## ", 1))
    names = iter(chapter.name for chapter in chapters)
    for token in tokens:
        if token.type == "heading_open" and token.tag == "h2":
            token.attrSet("id", next(names))
        for child in token.children or ():
            if child.type == "image":
                data = (figures.parent / str(child.attrGet("src"))).read_bytes()
                child.attrSet("src", f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}")
    body = parser.renderer.render(tokens, parser.options, {})
    for kind, words in _KINDS.items():
        body = body.replace(f"<td>{words}</td>", f'<td class="{kind}">{words}</td>')
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_TITLE}</title><style>{_STYLE}</style></head><body>\n{body}</body></html>\n"
    )


def _data(chapters: Sequence[Chapter], facts: Sequence[tuple[str, str]]) -> dict[str, Any]:
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
    return {"run": dict(facts), "figures": figures}
