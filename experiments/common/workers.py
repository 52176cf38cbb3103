"""Worker processes: Ctrl-C reaches the parent only, and no worker outlives its parent."""

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

from experiments.common.parent import announce_parent, watch_parent, withdraw_parent

# In a worker of a program that does not import the command line.
watch_parent()


@contextlib.contextmanager
def interrupts_kept_from_workers() -> Iterator[None]:
    """Raise KeyboardInterrupt for Ctrl-C and SIGTERM, and keep both from processes started in this block.

    Those processes end with this one, also when it is killed.

    A terminal sends Ctrl-C to all processes, and workers caught by it while they start print tracebacks. So
    the main thread blocks both signals, which the processes that it starts inherit. Another thread takes them
    and wakes the main thread, which mostly sleeps in a read, by a third signal. Does nothing on platforms
    without signal masks and outside the main thread.
    """
    announce_parent()
    try:
        with _interrupts_kept():
            yield
    finally:
        withdraw_parent()


@contextlib.contextmanager
def _interrupts_kept() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask") or threading.current_thread() is not threading.main_thread():
        yield
        return
    caught = (signal.SIGINT, signal.SIGTERM)
    main_thread = threading.get_ident()
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def watch() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, caught)
        passed_on = False
        # Python writes the number of each signal here at once, whichever thread the system gave it to.
        while (number := os.read(receiver, 1)[0]) != 0:
            if number in caught and not passed_on:
                passed_on = True
                signal.pthread_kill(main_thread, signal.SIGUSR1)

    # multiprocessing unblocks these signals when it starts its resource tracker: let it do so now.
    resource_tracker.ensure_running()
    handlers = {number: signal.signal(number, lambda *_: None) for number in caught}
    handlers[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, interrupt)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, caught)
    wakeup = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        os.write(sender, b"\0")
        watcher.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(receiver)
        os.close(sender)


def die_with_parent() -> None:
    """End this worker process when its parent process has ended for any reason."""
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

    Without it, a worker whose parent was killed continues until all its shots are done, unnoticed.
    """

    decoder: Any

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> Any:
        """Compile the decoder inside."""
        die_with_parent()
        return self.decoder.compile_decoder_for_dem(dem=dem)
