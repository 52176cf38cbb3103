"""Worker processes end with their parent, even if it is killed while they start."""

import os
import selectors
import signal
import subprocess
import sys

_PROGRAM = """
import multiprocessing, os, signal, sys, time
from experiments.common.workers import interrupts_kept_from_workers

if __name__ == "__main__":
    with interrupts_kept_from_workers():
        worker = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
        worker.start()
        print(worker.pid, flush=True)
        sys.stdin.read(1)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_ends_with_a_parent_that_is_killed_while_it_starts(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Its queue would never end: it holds the other end itself."""
    file = tmp_path / "program.py"
    file.write_text(_PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        worker = os.pidfd_open(int(parent.stdout.readline()))
        parent.stdin.write(b"x")
        parent.stdin.flush()
        assert parent.wait(20) == -signal.SIGKILL
    with selectors.DefaultSelector() as selector:
        selector.register(worker, selectors.EVENT_READ)
        ended = selector.select(20)
        if not ended:
            signal.pidfd_send_signal(worker, signal.SIGKILL)
        os.close(worker)
        assert ended, "the worker lives on"
