"""Fixtures and settings for the whole suite."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from numba.core import event

from tests.support.recorded_data import VARIABLE, find_recorded_data, link_experiments

# The same examples in every run, and no deadline: the first call of a compiled function takes seconds.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

# Begun first: what compiles the kernels that nearly all others use, and what takes longest beside it.
_FIRST = [
    "tests/decoders/test_every_decoder.py",
    "tests/decoders/test_interpreted_kernels.py",
    "tests/experiments/loop/test_realtime.py",
    "tests/test_installed_wheel.py",
]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """The whole suite runs in two processes, file by file; a part of it, or with -n 0 all of it, in one."""
    options = config.option
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not options.keyword
    whole &= options.markexpr == "not perf and not nightly"
    if not whole or options.capture == "no" or options.usepdb:
        return
    is_worker = hasattr(config, "workerinput")
    if config.pluginmanager.hasplugin("xdist") and not is_worker and options.numprocesses is None:
        options.numprocesses, options.dist, options.loadscopereorder = 2, "loadfile", False


def pytest_configure() -> None:
    # What tests start in other folders is this tree, not an installed copy, whose kernels compile once more.
    paths = [str(Path(__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    # Where Ctrl-C is ignored (a script's background), processes that tests start would not hear theirs.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Compilations(event.Listener):
    """Kernels that were compiled, or loaded from the cache."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def on_start(self, event: event.Event) -> None:
        self.names.append(event.data["dispatcher"].py_func.__name__)

    def on_end(self, event: event.Event) -> None:
        pass


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Both processes collect all tests, at the same time: what they compile then is compiled twice."""
    found = _Compilations()
    with event.install_listener("numba:compile", found):
        yield
    if found.names:
        raise pytest.UsageError(f"importing the tests compiles kernels, {found.names[0]} first")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        file = item.nodeid.partition("::")[0]
        return _FIRST.index(file) if file in _FIRST else len(_FIRST)

    items.sort(key=place)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Like tmp_path, for sockets, whose paths must not be long."""
    folder = Path(tempfile.mkdtemp(prefix="q"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def hardware_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the twelve recorded experiments that tests read; they are not part of the project."""
    try:
        found = find_recorded_data(os.environ)
    except FileNotFoundError as error:
        pytest.fail(str(error))
    if found is None:
        pytest.skip(
            f"no recorded experiments: set {VARIABLE} to the folder that holds those of Zenodo 6804040 "
            "(CONTRIBUTING.md)"
        )
    return link_experiments(found, tmp_path_factory.mktemp("recorded"))
