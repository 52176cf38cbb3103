"""Draw the flowcharts of the documentation as SVG while MkDocs builds the pages.

A hook of MkDocs (`hooks` in mkdocs.yml). Pages contain flowcharts in a subset of Mermaid's syntax, which some
viewers of Markdown draw themselves. MkDocs does not, and Mermaid's own program would be loaded from another
server. The subset: `flowchart TB`, one `accTitle: TEXT`, nodes `id["line<br/>line"]`, arrows `a --> b` and
`a -- label --> b`. Nodes are placed in layers by the longest path from a node without predecessors.
"""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_FENCE = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NODE = re.compile(r'(\w+)\["([^"]+)"\]')
_ARROW = re.compile(r"(\w+) --(?: (.+) --)?> (\w+)")

# Sizes in pixels: width of a character of the fixed-width font, height of a line, margins, distances.
_CHARACTER, _LINE, _PADDING, _GAP, _LANE = 7.3, 17, 9, 44, 22


@dataclass
class Flowchart:
    """A flowchart.

    Attributes:
        title: what it shows, for readers who do not see it.
        nodes: identifier -> lines of text.
        arrows: (from, to, label); the label may be empty.
    """

    title: str = ""
    nodes: dict[str, list[str]] = field(default_factory=dict)
    arrows: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Box:
    """Place of a node: centre, width and height in pixels."""

    x: float
    y: float
    width: float
    height: float


def flowcharts(markdown: str) -> list[Flowchart]:
    """Parse all flowcharts of a page.

    Raises:
        ValueError: see `parse`.
    """
    return [parse(found.group(1)) for found in _FENCE.finditer(markdown)]


def parse(text: str) -> Flowchart:
    """Parse one flowchart.

    Args:
        text: the lines between the fences.

    Raises:
        ValueError: a line outside the subset, an arrow from or to an undeclared node, or no title.
    """
    first, *lines = [line.strip() for line in text.splitlines() if line.strip()]
    if first != "flowchart TB":
        raise ValueError(f"diagram begins with {first!r}: only 'flowchart TB' is drawn")
    chart = Flowchart()
    for line in lines:
        if line.startswith("accTitle: "):
            chart.title = line.removeprefix("accTitle: ")
        elif node := _NODE.fullmatch(line):
            chart.nodes[node[1]] = node[2].split("<br/>")
        elif arrow := _ARROW.fullmatch(line):
            for name in (arrow[1], arrow[3]):
                if name not in chart.nodes:
                    raise ValueError(f"arrow {line!r}: node {name!r} is not declared above it")
            chart.arrows.append((arrow[1], arrow[3], arrow[2] or ""))
        else:
            raise ValueError(f'diagram line {line!r}: must be a title, id["text"], or an arrow a --> b')
    if not chart.title:
        raise ValueError("diagram without a title: add a line 'accTitle: TEXT'")
    return chart


def layers(chart: Flowchart) -> dict[str, int]:
    """Assign a layer to each node: the number of arrows on the longest path to it.

    Arrows that close a circle, found by depth-first search in the order of declaration, do not count.

    Returns:
        Identifier -> layer, from 0.
    """
    forward: dict[str, list[str]] = {name: [] for name in chart.nodes}
    order: list[str] = []
    active: set[str] = set()

    def visit(name: str) -> None:
        active.add(name)
        for start, end, _ in chart.arrows:
            if start == name and end not in active:
                forward[name].append(end)
                if end not in order:
                    visit(end)
        active.remove(name)
        order.append(name)

    for name in chart.nodes:
        if name not in order:
            visit(name)
    found = dict.fromkeys(chart.nodes, 0)
    for name in reversed(order):
        for end in forward[name]:
            found[end] = max(found[end], found[name] + 1)
    return found


def draw(chart: Flowchart) -> str:
    """Draw a flowchart.

    Returns:
        An SVG element without blank lines, in the text colour of the page.
    """
    level = layers(chart)
    boxes, width, height = _place(chart, level)
    parts = list(_boxes(chart, boxes))
    # Arrows to the next layer are straight. The others run to the right of all boxes and labels.
    straight = [arrow for arrow in chart.arrows if level[arrow[1]] == level[arrow[0]] + 1]
    for start, end, label in straight:
        tail, tip = boxes[start], boxes[end]
        y1, y2 = tail.y + tail.height / 2, tip.y - tip.height / 2
        parts.append(_arrow(f"M{tail.x:.0f} {y1:.0f}L{tip.x:.0f} {y2 - 2:.0f}"))
        text_x = (tail.x + tip.x) / 2 + 8
        parts.append(_text(label, text_x, (y1 + y2) / 2 + 4, anchor="start"))
        width = max(width, text_x + _CHARACTER * len(label))
    for start, end, label in (arrow for arrow in chart.arrows if arrow not in straight):
        tail, tip = boxes[start], boxes[end]
        lane = width + _LANE
        x1, x2 = tail.x + tail.width / 2, tip.x + tip.width / 2
        parts.append(_arrow(f"M{x1:.0f} {tail.y:.0f}H{lane:.0f}V{tip.y:.0f}H{x2 + 2:.0f}"))
        parts.append(_text(label, lane + 5, (tail.y + tip.y) / 2, anchor="start"))
        width = lane + 5 + _CHARACTER * len(label)
    marker = (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0L8 4L0 8Z" fill="currentColor" stroke="none"/></marker></defs>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" style="max-width: 100%" stroke="currentColor" font-family="monospace" '
        f'font-size="12"><title>{html.escape(chart.title)}</title>{marker}{"".join(parts)}</svg>'
    )


def _place(chart: Flowchart, level: Mapping[str, int]) -> tuple[dict[str, _Box], float, float]:
    """Place the nodes; returns the boxes, and the width and height of all together."""
    rows: list[list[str]] = [[] for _ in range(max(level.values(), default=0) + 1)]
    for name in chart.nodes:
        rows[level[name]].append(name)

    def size(name: str) -> tuple[float, float]:
        lines = chart.nodes[name]
        return _CHARACTER * max(map(len, lines)) + 2 * _PADDING, _LINE * len(lines) + 2 * _PADDING

    widths = [sum(size(name)[0] for name in row) + _GAP * (len(row) - 1) for row in rows]
    right = max(widths, default=0) + 1
    boxes = {}
    top = 1.0
    for row, width in zip(rows, widths, strict=True):
        height = max(size(name)[1] for name in row)
        left = (right - width) / 2
        for name in row:
            own_width, own_height = size(name)
            boxes[name] = _Box(left + own_width / 2, top + height / 2, own_width, own_height)
            left += own_width + _GAP
        top += height + _GAP
    return boxes, right, top - _GAP + 1


def _boxes(chart: Flowchart, boxes: Mapping[str, _Box]) -> Iterator[str]:
    for name, lines in chart.nodes.items():
        box = boxes[name]
        x, y = box.x - box.width / 2, box.y - box.height / 2
        size = f'width="{box.width:.1f}" height="{box.height:.1f}"'
        yield f'<rect x="{x:.1f}" y="{y:.1f}" {size} rx="4" fill="none"/>'
        for number, line in enumerate(lines):
            yield _text(line, box.x, y + _PADDING + _LINE * (number + 0.75), anchor="middle")


def _arrow(path: str) -> str:
    return f'<path d="{path}" fill="none" marker-end="url(#arrow)"/>'


def _text(words: str, x: float, y: float, *, anchor: str) -> str:
    if not words:
        return ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor" stroke="none">'
        f"{html.escape(words)}</text>"
    )


def on_page_markdown(markdown: str, **context: Any) -> str:
    """Replace the flowcharts of a page by drawings; called by MkDocs for each page.

    Args:
        markdown: text of the page.
        context: page, configuration and files, unused.

    Raises:
        ValueError: a diagram that is not in the subset.
    """
    return _FENCE.sub(lambda found: f"<div>{draw(parse(found.group(1)))}</div>", markdown)
