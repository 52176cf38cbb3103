"""Small source trees whose kernels run in new processes with their own cache."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_REPORT = """
import importlib, json, sys
caller = importlib.import_module(sys.argv[1])
answer = caller.doubled(3)
doubled = getattr(caller.doubled, "_for_python", caller.doubled)  # of a kernel: compiled for this call
hits = sum(doubled.stats.cache_hits.values()) if hasattr(doubled, "stats") else -1
print(json.dumps({"answer": answer, "hits": hits, "folder": str(caller.jit.cache_folder)}))
"""


class CacheReport(NamedTuple):
    """Result of the kernel `doubled`, loads from the cache, and the cache folder of one process."""

    answer: int
    hits: int
    folder: Path


class KernelTree:
    """Packages under root/code; the module `caller` has a kernel `doubled` and imports its `jit`."""

    def __init__(self, root: Path, *, caller: str) -> None:
        self._root, self._caller = root, caller
        self.code = root / "code"

    def write(self, name: str, text: str) -> None:
        """Write a module and the packages that hold it."""
        file = self.code / name
        file.parent.mkdir(parents=True, exist_ok=True)
        for folder in [*Path(name).parents][:-1]:
            (self.code / folder / "__init__.py").touch()
        file.write_text(text)

    def replace(self, name: str, before: str, after: str) -> None:
        """Edit a module, which keeps its length and modification time: only the bytes differ."""
        file = self.code / name
        times, text = file.stat(), file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))
        assert file.stat().st_size == times.st_size
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def run(self, **variables: str) -> CacheReport:
        """Call the kernel in a fresh process."""
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("NUMBA_") and key != "XDG_CACHE_HOME"
        }
        environment |= {"PYTHONPATH": str(self.code), "NUMBA_CACHE_DIR": str(self._root / "cache")}
        # Bytecode files are compared by time and size only.
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        done = subprocess.run(
            [sys.executable, "-c", _REPORT, self._caller],
            env=environment | variables,
            cwd=self._root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        values = json.loads(done.stdout)
        return CacheReport(values["answer"], values["hits"], Path(values["folder"]))
