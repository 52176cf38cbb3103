"""Run the notebooks of the documentation, and convert them to pages.

    python docs/notebooks.py

runs all cells of `docs/pages/notebooks/*.ipynb`, stores what they print and draw in the notebook, and writes
the page next to it: text cells as they are, code cells as code blocks, their outputs below.
"""

import base64
import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "pages" / "notebooks"
_DPI = 90


def run_cells(notebook: Mapping[str, Any]) -> None:
    """Run the code cells in order, in one namespace; replace their outputs."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    namespace: dict[str, Any] = {"__name__": "__main__"}
    code_cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for count, cell in enumerate(code_cells, start=1):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("".join(cell["source"]), f"{count}", "exec"), namespace)
        outputs = [_figure(plt.figure(number)) for number in plt.get_fignums()]
        plt.close("all")
        if printed.getvalue():
            text = printed.getvalue().splitlines(keepends=True)
            outputs.insert(0, {"name": "stdout", "output_type": "stream", "text": text})
        cell["execution_count"], cell["outputs"] = count, outputs


def page_of(notebook: Mapping[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """Convert a notebook that was run.

    Args:
        notebook: content of the .ipynb file.
        name: of the file, without its ending.

    Returns:
        The page as Markdown, and its pictures: file name -> PNG.
    """
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                parts.append(f"```text\n{''.join(output['text']).rstrip()}\n```")
            else:
                picture = f"{name}_{len(pictures) + 1}.png"
                pictures[picture] = base64.b64decode(output["data"]["image/png"])
                parts.append(f"![{output['metadata']['description']}]({picture})")
    parts.append(f"[Download this page as a notebook]({name}.ipynb)")
    return "\n\n".join(parts) + "\n", pictures


def _figure(figure: Any) -> dict[str, Any]:
    """Convert a figure to an output; its description is the title of its first axes."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return {
        "output_type": "display_data",
        "data": {"image/png": base64.b64encode(file.getvalue()).decode()},
        "metadata": {"description": figure.axes[0].get_title()},
    }


def main() -> None:
    """Run and convert all notebooks."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        run_cells(notebook)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        page, pictures = page_of(notebook, path.stem)
        path.with_suffix(".md").write_text(page, encoding="utf-8")
        for name, content in pictures.items():
            (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
