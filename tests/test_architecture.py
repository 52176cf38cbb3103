"""The house: who may import whom, how large a file may be, what a package's face may hold.

Every import statement counts, also inside functions and under TYPE_CHECKING.
"""

import ast
import sys
from collections.abc import Iterable
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.rooms import ROOMS, Room

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("qec", "decoders", "realtime", "experiments")
MAX_LINES = 500
MAX_FACE_LINES = 45


@cache
def parsed(text: str) -> ast.Module:
    """Parse a file's text; the rules read each file many times."""
    return ast.parse(text)


def source_files(root: Path) -> dict[str, Path]:
    """Module name -> file, for every module of the four packages."""
    files = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def imports_of(module: str, path: Path, modules: Iterable[str]) -> set[str]:
    """Every module that a file imports, as far down as the name is a module of ours."""
    known = set(modules)
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found = set()
    for node in ast.walk(parsed(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in known else base)
    return found


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def room_of(module: str) -> str | None:
    return max((room for room in ROOMS if within(module, room)), key=len, default=None)


def wrong_arrows(root: Path) -> list[str]:
    """Imports that the table does not allow, in words."""
    files = source_files(root)
    wrong = []
    for module, path in files.items():
        face = path.name == "__init__.py"
        room = room_of(module)
        if room is None and not (face and module in PACKAGES):
            wrong.append(f"{module} has no room")
            continue
        rooms, libraries = ROOMS[room] if room else Room("", "")
        for target in sorted(imports_of(module, path, files)):
            top = target.split(".")[0]
            if top in sys.stdlib_module_names:
                continue
            if top not in PACKAGES:
                allowed = top in libraries.split() and not (face and module in PACKAGES)
            elif face:
                allowed = within(target, module)  # a face shows what stands behind it
            else:
                assert room is not None
                own = room not in PACKAGES and within(target, room)
                allowed = own or any(within(target, other) for other in rooms.split())
            if not allowed:
                wrong.append(f"{module} imports {target}")
    return wrong


def circles(root: Path) -> list[str]:
    """Circular imports, each as the path that closes it."""
    files = source_files(root)
    arrows = {
        module: sorted(imports_of(module, path, files) & files.keys()) for module, path in files.items()
    }
    found = []
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            found.append(" -> ".join([*path[path.index(module) :], module]))
            return
        if module in done:
            return
        for target in arrows[module]:
            visit(target, [*path, module])
        done.add(module)

    for module in arrows:
        visit(module, [])
    return found


def users_of(root: Path, library: str) -> set[str]:
    files = source_files(root)
    return {
        module
        for module, path in files.items()
        if any(within(target, library) for target in imports_of(module, path, files))
    }


def printers(root: Path) -> list[str]:
    """Modules outside experiments and the processes of realtime that print."""
    return [
        module
        for module, path in source_files(root).items()
        if not within(module, "experiments")
        and module not in ("realtime.service.daemon", "realtime.source.source")
        for node in ast.walk(parsed(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def bad_faces(root: Path) -> list[str]:
    """`__init__` files that are too long or do more than show names."""
    wrong = []
    for module, path in source_files(root).items():
        if path.name != "__init__.py":
            continue
        if lines_of(path) >= MAX_FACE_LINES:
            wrong.append(f"{module} has {lines_of(path)} lines")
        for node in parsed(path.read_text()).body:
            text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            late = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            late = late and all(isinstance(one, ast.ImportFrom) for one in node.body) and not node.orelse
            name = isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["__all__"]
            if not (text or name or late or isinstance(node, ast.Import | ast.ImportFrom)):
                wrong.append(f"{module} does more than re-export, line {node.lineno}")
    return wrong


def test_only_the_arrows_of_the_design() -> None:
    assert wrong_arrows(ROOT) == []


def test_packages_of_experiments_can_be_put_in_order() -> None:
    """Rules that allow a circle of packages are no rules."""
    rooms = {name: room for name, room in ROOMS.items() if within(name, "experiments")}
    arrows = {name: {one for one in room.rooms.split() if one in rooms} for name, room in rooms.items()}
    order = list(TopologicalSorter(arrows).static_order())
    assert (
        order.index("experiments.common")
        < order.index("experiments.plotting")
        < order.index("experiments.loop")
    )


def test_no_circles() -> None:
    assert circles(ROOT) == []


def test_drawing_and_sockets_stand_in_one_place() -> None:
    assert all(within(module, "experiments.plotting") for module in users_of(ROOT, "matplotlib"))
    assert all(module.startswith("realtime.transport") for module in users_of(ROOT, "zmq"))


def test_kernels_do_not_know_stim() -> None:
    users = users_of(ROOT, "stim")
    assert not [module for module in users if ".kernels" in module]


def behind(root: Path, module: str) -> set[str]:
    """All modules of the project that a module needs, itself included."""
    files = source_files(root)
    found: set[str] = set()
    waiting = [module]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += [other for other in imports_of(here, files[here], files) if other in files]
    return found


def test_plain_matching_compiles_no_second_matching() -> None:
    needed = behind(ROOT, "decoders.matching.kernels.batch")
    assert "decoders.matching.kernels.alternating_tree" in needed
    assert all(within(one, "decoders.kernels") or within(one, "decoders.matching.kernels") for one in needed)


def test_only_the_clock_asks_for_the_time_in_realtime() -> None:
    asking = users_of(ROOT, "time") | users_of(ROOT, "datetime")
    assert [module for module in asking if within(module, "realtime")] in ([], ["realtime.kernels.clock"])


def test_printing_stands_outside_the_libraries() -> None:
    assert printers(ROOT) == []


def test_faces_only_show() -> None:
    assert bad_faces(ROOT) == []


@pytest.mark.parametrize("folder", [*PACKAGES, "tests"])
def test_no_file_is_too_long(folder: str) -> None:
    long = {
        str(path.relative_to(ROOT)): lines_of(path)
        for path in (ROOT / folder).rglob("*.py")
        if lines_of(path) > MAX_LINES
    }
    assert not long


def test_tests_are_no_package() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


# --- the checks themselves can fail


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text('"""A face."""\n')
    for package in ("kernels", "matching", "model"):
        (tmp_path / "decoders" / package).mkdir()
        (tmp_path / "decoders" / package / "__init__.py").touch()
    (tmp_path / "decoders" / "model" / "matching_graph.py").write_text("import numpy as np\n")
    assert wrong_arrows(tmp_path) == []
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text", "arrow"),
    [
        ("qec/memory.py", "import decoders", "qec.memory imports decoders"),
        (
            "qec/memory.py",
            "from decoders.model import matching_graph",
            "qec.memory imports decoders.model.matching_graph",
        ),
        (
            "decoders/matching/decoder.py",
            "def f():\n    import qec.codes",
            "decoders.matching.decoder imports qec.codes",
        ),
        (
            "decoders/model/matching_graph.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from decoders.base import Decoder",
            "decoders.model.matching_graph imports decoders.base",
        ),
        (
            "decoders/model/matching_graph.py",
            "from .. import base",
            "decoders.model.matching_graph imports decoders",
        ),
        (
            "decoders/kernels/flood.py",
            "from ..model.matching_graph import X",
            "decoders.kernels.flood imports decoders.model.matching_graph",
        ),
        ("decoders/kernels/flood.py", "import stim", "decoders.kernels.flood imports stim"),
        ("realtime/placement.py", "import zmq", "realtime.placement imports zmq"),
        ("realtime/latency.py", "from qec import memory_circuit", "realtime.latency imports qec"),
        ("experiments/demo.py", "from matplotlib import pyplot", "experiments.demo imports matplotlib"),
        ("qec/statistics.py", "import experiments", "qec.statistics imports experiments"),
        ("qec/__init__.py", "import numpy", "qec imports numpy"),
        ("qec/attic.py", "", "qec.attic has no room"),
    ],
)
def test_a_wrong_arrow_is_found(house: Path, file: str, text: str, arrow: str) -> None:
    (house / file).write_text(text + "\n")
    assert wrong_arrows(house) == [arrow]


def test_a_circle_is_found(house: Path) -> None:
    (house / "decoders" / "a.py").write_text("def f():\n    from decoders.b import g\n")
    (house / "decoders" / "b.py").write_text("from decoders import c\n")
    (house / "decoders" / "c.py").write_text("import decoders.a\n")
    assert circles(house) == ["decoders.a -> decoders.b -> decoders.c -> decoders.a"]


def test_a_module_that_imports_its_own_face_is_a_circle(house: Path) -> None:
    (house / "decoders" / "__init__.py").write_text("from decoders.model.matching_graph import X\n")
    (house / "decoders" / "model" / "matching_graph.py").write_text("from decoders import Y\n")
    assert circles(house) == ["decoders -> decoders.model.matching_graph -> decoders"]


def test_a_face_with_work_in_it_is_found(house: Path) -> None:
    (house / "qec" / "__init__.py").write_text("X = 1\n" + "\n" * MAX_FACE_LINES)
    assert len(bad_faces(house)) == 2


def test_printing_is_found(house: Path) -> None:
    (house / "qec" / "memory.py").write_text("def f():\n    print(1)\n")
    assert printers(house) == ["qec.memory"]
