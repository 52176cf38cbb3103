"""Worker processes of a sweep: Ctrl-C is the parent's business alone, and no worker outlives its parent."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

import sinter
import stim


@contextlib.contextmanager
def interrupts_kept_from_workers() -> Iterator[None]:
    """In this block Ctrl-C and SIGTERM raise KeyboardInterrupt, and processes started here never see them.

    A terminal sends Ctrl-C to all processes; workers caught by it while they start print tracebacks. So both
    signals are blocked, which new processes inherit, and a thread waits for them and passes the first one on
    to the main thread. Does nothing on platforms without signal masks and outside the main thread.
    """
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    caught = {signal.SIGINT, signal.SIGTERM}
    main_thread = threading.get_ident()
    leaving = threading.Event()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def watch() -> None:
        signal.sigwait(caught)
        if not leaving.is_set():
            signal.pthread_kill(main_thread, signal.SIGUSR1)
        while not leaving.is_set():
            signal.sigwait(caught)

    # multiprocessing unblocks these signals when it starts its resource tracker: let it do so now.
    resource_tracker.ensure_running()
    before = signal.signal(signal.SIGUSR1, interrupt)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, caught)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        leaving.set()
        if watcher.ident is not None and watcher.is_alive():
            signal.pthread_kill(watcher.ident, signal.SIGTERM)
        watcher.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGUSR1, before)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None or any(thread.name == "die with parent" for thread in threading.enumerate()):
        return

    def wait() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, name="die with parent", daemon=True).start()


@dataclass(frozen=True)
class Guarded(sinter.Decoder):  # type: ignore[misc]
    """A decoder for sinter's workers that ends its worker when the sweep was killed.

    Without it, a worker whose parent was killed samples on until all its shots are done, and tells nobody.
    """

    decoder: Any

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> Any:
        """Compile the decoder inside."""
        _die_with_parent()
        return self.decoder.compile_decoder_for_dem(dem=dem)
