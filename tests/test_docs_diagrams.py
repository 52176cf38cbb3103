"""Drawings of the documentation's flowcharts."""

import re
from xml.etree import ElementTree

import pytest

from tests.support.documentation import ROOT, diagrams

_SVG = "{http://www.w3.org/2000/svg}"
_LOOP = """flowchart TB
  accTitle: A loop & more
  a["first<br/>second line"]
  b["b"]
  c["c < d"]
  a --> b
  a -- ends-first --> c
  b -- next --> c
  c -- back --> a
"""


def test_layers_are_longest_paths_without_arrows_that_close_a_circle() -> None:
    assert diagrams().layers(diagrams().parse(_LOOP)) == {"a": 0, "b": 1, "c": 2}


def test_a_drawing_has_all_nodes_arrows_and_labels() -> None:
    root = ElementTree.fromstring(diagrams().draw(diagrams().parse(_LOOP)))
    assert root.findtext(f"{_SVG}title") == "A loop & more"
    texts = {element.text for element in root.iter(f"{_SVG}text")}
    assert texts == {"first", "second line", "b", "c < d", "ends-first", "next", "back"}
    assert len(root.findall(f"{_SVG}rect")) == 3
    assert len(root.findall(f"{_SVG}path")) == 4


def test_everything_lies_inside_the_drawing_and_boxes_apart() -> None:
    root = ElementTree.fromstring(diagrams().draw(diagrams().parse(_LOOP)))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    boxes = [
        tuple(float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        for box in root.iter(f"{_SVG}rect")
    ]
    for x, y, box_width, box_height in boxes:
        assert min(x, y) >= 0
        assert x + box_width <= width
        assert y + box_height <= height
    bottoms = [y + box_height for _, y, _, box_height in boxes]
    assert all(bottom < top for bottom, (_, top, _, _) in zip(bottoms, boxes[1:], strict=False))
    for path in root.findall(f"{_SVG}path"):
        numbers = [float(number) for number in re.findall(r"[\d.]+", path.attrib["d"])]
        assert max(numbers) <= max(width, height)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flowchart LR\n  accTitle: T", "only 'flowchart TB' is drawn"),
        ('flowchart TB\n  a["a"]', "without a title"),
        ('flowchart TB\n  accTitle: T\n  a["a"]\n  a --> b', "'b' is not declared"),
        ("flowchart TB\n  accTitle: T\n  a(round)", "must be a title"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        diagrams().parse(text)


def test_pages_get_drawings_in_place_of_their_flowcharts() -> None:
    page = f"Before.\n\n```mermaid\n{_LOOP}```\n\n```sh\nls\n```\n"
    drawn = diagrams().on_page_markdown(page, page=None, config=None, files=None)
    before, drawing, after = drawn.split("\n\n")  # no blank line inside: Markdown takes it as one block
    assert (before, after) == ("Before.", "```sh\nls\n```\n")
    assert drawing.startswith("<div><svg ")


def test_every_flowchart_of_the_documentation_can_be_drawn() -> None:
    pages = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")}
    charts = {name: diagrams().flowcharts(text) for name, text in pages.items() if "```mermaid" in text}
    assert len(charts["architecture.md"]) == 5
    for chart in (chart for found in charts.values() for chart in found):
        ElementTree.fromstring(diagrams().draw(chart))
    assert "hooks:\n  - diagrams.py" in (ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
