"""End of a worker process with its parent, from the worker's first moment."""

import os
import threading

_VARIABLE = "QEC_WORKERS_OF"
_SECONDS = 0.5


def announce_parent() -> None:
    """Let the worker processes that this process starts from now on end when it ends."""
    os.environ[_VARIABLE] = str(os.getpid())


def withdraw_parent() -> None:
    """End `announce_parent`: other processes that this one starts live on."""
    os.environ.pop(_VARIABLE, None)


def watch_parent() -> None:
    """In a worker, end this process when its parent has ended; elsewhere do nothing.

    A worker spends seconds on imports before `multiprocessing` lets it know its parent, and then waits for
    work from a queue that it holds open itself: after a parent killed in that time it would wait for ever. So
    this runs when the worker imports the main module. The parent's number comes through the environment, as
    the system gives an orphan another parent; it is removed, as the worker's own children have other parents.
    """
    parent = os.environ.pop(_VARIABLE, "")
    if not parent.isdigit() or int(parent) == os.getpid():
        return

    def wait() -> None:
        pause = threading.Event()
        while os.getppid() == int(parent):
            pause.wait(_SECONDS)
        os._exit(1)

    threading.Thread(target=wait, name="watch parent", daemon=True).start()
