"""Decoder daemon whose clock can be set: `realtime.service.daemon` with another `clock_gettime`.

The loop reads the time in one place, realtime.kernels.clock, whose machine code calls `clock_gettime` by its
name. Here the name leads to a function that adds the number in a shared file, CLOCK_FILE next to the model.
"""

import ctypes
import json
import mmap
import os
import struct
import sys
from pathlib import Path

import llvmlite.binding

from qec.files import write_file

#: Holds the offset of the daemon's clock, int64, ns.
CLOCK_FILE = "clock"
_WORD = struct.Struct("<q")
_KIND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int64))


class Offset:
    """Offset of the clock, shared through a file.

    Args:
        path: of the file; made if there is none.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            write_file(path, _WORD.pack(0))
        file = os.open(path, os.O_RDWR)
        self._memory = mmap.mmap(file, _WORD.size)
        os.close(file)

    def get(self) -> int:
        """Read the offset, ns."""
        return int(_WORD.unpack_from(self._memory)[0])

    def set(self, value: int) -> None:
        """Write the offset, ns."""
        _WORD.pack_into(self._memory, 0, value)


def replace_clock(offset: Offset) -> object:
    """Let machine code that is loaded from now on read a clock with this offset; keep what is returned."""
    system = ctypes.CDLL(None).clock_gettime

    def read(clock: int, pair: "ctypes._Pointer[ctypes.c_int64]") -> int:
        status: int = system(clock, pair)
        time_ns = pair[0] * 10**9 + pair[1] + offset.get()
        pair[0], pair[1] = divmod(time_ns, 10**9)
        return status

    function = _KIND(read)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    llvmlite.binding.add_symbol("clock_gettime", address)
    return function


def main() -> int:
    """Serve; the configuration comes from standard input, as for the daemon."""
    text = sys.stdin.read()
    kept = replace_clock(Offset(Path(json.loads(text)["model"]).with_name(CLOCK_FILE)))
    # After the replacement: importing loads machine code.
    from realtime.service.daemon import DaemonConfig
    from realtime.service.daemon import main as serve

    try:
        return serve(DaemonConfig.from_json(text), say=lambda line: print(line, flush=True))
    finally:
        del kept


if __name__ == "__main__":
    sys.exit(main())
