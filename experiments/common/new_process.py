"""Measurements in a process that has done nothing else."""

import json
import os
import subprocess
import sys
from typing import Any


def run_module(module: str, *arguments: str, text: str = "", **environment: str) -> dict[str, Any]:
    """Run a module in a new process.

    Args:
        module: its name; it prints one line of JSON.
        arguments: of its command line.
        text: standard input.
        environment: variables to set.

    Returns:
        What it printed.

    Raises:
        RuntimeError: it failed; the message has the last line of its error output.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        input=text,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RuntimeError(f"{' '.join(arguments[:2])} in a new process failed: {reason[0]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
