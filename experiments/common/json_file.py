"""JSON files of results."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qec.files import write_file


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write plain data; NaN and infinity, which JSON does not know, become null.

    Readers see the old file or the new one, never half of one.
    """
    text = json.dumps(_finite(data), indent=1, allow_nan=False) + "\n"
    write_file(path, text)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
