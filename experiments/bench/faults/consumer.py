"""Process that takes the answers of a session, and writes each as a line of hexadecimal digits.

`python -m experiments.bench.faults.consumer` reads the control address and the
answer to hello as a line of JSON.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from queue import Empty, SimpleQueue

from experiments.bench.faults.feeder import NOBODY
from realtime.kernels.clock import now_ns
from realtime.protocol.wire import Result, parse_result
from realtime.service.client import Client, Welcome

_READY = "ready"
_START_S = 60.0


class Consumer:
    """Consumer in a child process, in a `with` block."""

    def __init__(self, control: str, welcome: Welcome) -> None:
        command = [sys.executable, "-m", "experiments.bench.faults.consumer"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"control": control, "welcome": asdict(welcome)}) + "\n")
        self.process.stdin.flush()
        self._lines: SimpleQueue[tuple[int, str]] = SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> "Consumer":
        if self._lines.get(timeout=_START_S)[1] != _READY:
            raise RuntimeError("the consumer did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def take(self, *, timeout_s: float) -> tuple[int, Result] | None:
        """Return the next answer, with the time when this process got it; None if none comes."""
        try:
            at_ns, line = self._lines.get(timeout=timeout_s)
        except Empty:
            return None
        return at_ns, parse_result(bytes.fromhex(line))

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError):  # closed
            for line in self.process.stdout:
                if line.endswith("\n"):  # a killed process may leave half a line
                    self._lines.put((int(now_ns()), line.strip()))


def main() -> None:
    """Take answers until the parent ends."""
    given = json.loads(sys.stdin.readline())
    parent = os.getppid()
    with Client(given["control"]) as client:
        pair = client.connect(replace(Welcome(**given["welcome"]), data=NOBODY))
        print(_READY, flush=True)
        while os.getppid() == parent:
            message = pair.receive(timeout_ms=100)
            if message is not None:
                print(message.hex(), flush=True)
        pair.close()


if __name__ == "__main__":
    main()
