"""Decoder daemon: a process that serves streams until it is stopped or its parent ends.

`python -m realtime.service.daemon` reads its configuration as JSON from standard input and writes one line of
JSON, {"type": "ready", ...}, when all kernels are compiled and every stream can be opened.
"""

import contextlib
import gc
import json
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import stim

from decoders import ParallelStreamingDecoder, StreamingDecoder
from decoders.model.text_files import parse_circuit, parse_dem
from decoders.streaming.readouts import ReadoutChoiceDecoder
from realtime.kernels.clock import now_ns
from realtime.placement import cores_of_stream, pin_thread, usable_cores
from realtime.security import (
    EndpointLock,
    ServerKeys,
    check_endpoint,
    is_loopback,
    private_endpoint,
    socket_address,
)
from realtime.service.admission import MAX_LOAD, Admission
from realtime.service.block_threads import MAX_THREADS, make_stream_decoder
from realtime.service.control import Control
from realtime.service.description import Description
from realtime.service.event_log import EventLog, LogForm
from realtime.service.recorder import Recorder
from realtime.service.session import Session, SessionLimits
from realtime.service.worker import LoopKind, ThreadOptions, Worker
from realtime.transport import ControlServer, Hub, register_functions

_POLL_MS = 50
# A wait for messages that ends later than this shows that the machine stood still.
_STALL_NS = 150_000_000


@dataclass(frozen=True, kw_only=True)
class DaemonConfig:
    """Configuration of a daemon. Strings, numbers and lists only, so that it can be sent as JSON.

    Attributes:
        model: a stim circuit file (.stim), or a detector error model (.dem).
        streams: number of logical qubits; each has its own decoder for the model.
        commit, buffer: cycles of the decoder's windows, see StreamingDecoder.
        decoder_threads: threads that decode the windows of a stream; more than 1: parallel windows, see
            ParallelStreamingDecoder, and another thread that receives. For each stream `cores` then has that
            many after the receiving thread's.
        bind: control address; a private ipc:// address if none is given. shm:///path is ipc:///path, which
            clients of this machine may also use without shared memory.
        policy, hard_ns, timeout_ns, max_cycles: see SessionLimits.
        cores: cores of the stream threads; without enough of them, the others run anywhere.
        io_core: core of the I/O thread.
        keeper_core: core of the thread that answers control messages; give every stream a core then.
        spin: stream threads poll without sleeping; each needs a core that nothing else uses.
        fifo: SCHED_FIFO priority of the stream threads, None for the default scheduling.
        insecure: allow addresses that other machines can reach, without keys.
        secret_key, client_keys: see ServerKeys.
        parent: end when this parent process ends; 0: none.
        loop: "compiled", "python" or "auto": compiled where libzmq can be reached.
        decoder: name of the decoder of the windows, see StreamingDecoder.
        max_load: largest load of a core by a stream, as a fraction; 0: any.
        log: "text" or "json": a line on standard error for each event; "none".
        record: folder for recordings of all streams; None: nothing is recorded.
        record_bytes: size of all recordings together at which recording ends; 0: no limit.
        gaps: whether the decoders find gaps, which programs may ask for.
        readouts: circuits of a patch's readouts in z and in x, for programs that choose the basis of a
            measurement while the patch runs; model is then the circuit of the patch without readout.
        about: what is known of the model, for `describe`, for example the code, distance, basis and noise.
    """

    model: str
    streams: int = 1
    commit: int | None = None
    buffer: int | None = None
    decoder_threads: int = 1
    bind: str | None = None
    policy: str = "drop-shot"
    hard_ns: int = 50_000_000
    timeout_ns: int = 1_000_000_000
    max_cycles: int = 1_000_000_000
    cores: tuple[int, ...] = ()
    io_core: int | None = None
    keeper_core: int | None = None
    spin: bool = False
    fifo: int | None = None
    insecure: bool = False
    secret_key: str | None = None
    client_keys: str | None = None
    parent: int = 0
    loop: str = "auto"
    decoder: str = "mwpm"
    max_load: float = MAX_LOAD
    log: LogForm = "none"
    record: str | None = None
    record_bytes: int = 0
    readouts: tuple[str, ...] = ()
    gaps: bool = False
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.streams <= 64:
            raise ValueError(f"streams={self.streams}: must be between 1 and 64")
        if not 1 <= self.decoder_threads <= MAX_THREADS:
            raise ValueError(f"decoder_threads={self.decoder_threads}: must be between 1 and {MAX_THREADS}")
        if self.decoder_threads > 1 and self.readouts:
            raise ValueError("decoder_threads with readouts to choose from: use one thread")
        if len(self.readouts) not in (0, 2):
            raise ValueError(f"{len(self.readouts)} readouts: give the circuits of z and x, or none")
        if self.loop not in ("auto", "compiled", "python"):
            raise ValueError(f"no loop is named '{self.loop}': choose from auto, compiled, python")
        if (self.secret_key is None) != (self.client_keys is None):
            raise ValueError("secret_key and client_keys: give both or none")
        if self.fifo is not None and not 1 <= self.fifo <= 99:
            raise ValueError(f"fifo={self.fifo}: must be a real-time priority from 1 to 99")
        if self.policy not in ("drop-shot", "block"):
            raise ValueError(f"no policy is named '{self.policy}': choose from drop-shot, block")

    @classmethod
    def from_json(cls, text: str) -> "DaemonConfig":
        """Read the text that `to_json` returned.

        Raises:
            ValueError: not such a text.
        """
        try:
            values = json.loads(text)
            return cls(**{**values, **{one: tuple(values.get(one, ())) for one in ("cores", "readouts")}})
        except (TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
            message = " ".join(str(error).splitlines())  # names of fields may be anything
            raise ValueError(f"not a daemon's configuration: {message[:300]}") from None

    def to_json(self) -> str:
        """Convert to JSON."""
        return json.dumps(asdict(self))

    @property
    def keys(self) -> ServerKeys | None:
        """Key files, None without."""
        if self.secret_key is None or self.client_keys is None:
            return None
        return ServerKeys(secret=Path(self.secret_key), clients=Path(self.client_keys))


def read_model(config: DaemonConfig) -> tuple[str, bool]:
    """Read the model's file; return its text, and whether it is a circuit.

    Raises:
        FileNotFoundError: no such model file.
    """
    path = Path(config.model)
    if not path.is_file():
        raise FileNotFoundError(f"no model file {path}")
    return path.read_text(encoding="utf-8-sig", errors="replace"), path.suffix != ".dem"


def make_decoder(
    config: DaemonConfig, text: str, *, is_circuit: bool
) -> StreamingDecoder | ParallelStreamingDecoder | ReadoutChoiceDecoder:
    """Build the decoder of one stream from the model's text.

    Raises:
        ValueError: the model cannot be decoded as a stream.
    """
    options: dict[str, Any] = {"commit": config.commit, "buffer": config.buffer, "decoder": config.decoder}
    options["gaps"] = config.gaps
    try:
        model = parse_circuit(text) if is_circuit else parse_dem(text)
        if model.num_detectors == 0:
            raise ValueError("the model has no detectors: nothing to decode")
        if config.readouts:
            if not isinstance(model, stim.Circuit):
                raise ValueError("an error model with readouts: give circuits")
            readouts = [parse_circuit(Path(name).read_text(encoding="utf-8")) for name in config.readouts]
            return ReadoutChoiceDecoder.from_circuits(model, readouts, **options)
        return make_stream_decoder(model, threads=config.decoder_threads, **options)
    except (ValueError, IndexError) as error:  # stim raises either
        raise ValueError(f"{config.model}: {error}") from None


class Daemon:
    """Streams, their threads, and the server of control messages."""

    def __init__(self, config: DaemonConfig, *, write: Callable[[str], None] | None = None) -> None:
        """Bind, build decoders and compile, until every stream can be opened.

        Args:
            config: of the daemon.
            write: receives the lines of the log; None: standard error.

        Raises:
            ValueError, FileNotFoundError: the configuration cannot be used.
        """
        self.config = config
        self.log = EventLog(config.log, write=write or _write_error)
        limits = SessionLimits(
            policy="block" if config.policy == "block" else "drop-shot",
            hard_ns=config.hard_ns,
            timeout_ns=config.timeout_ns,
            max_cycles=config.max_cycles,
        )
        admission = Admission(most_load=config.max_load, cores=len(usable_cores()))
        self.boot = secrets.token_hex(8)
        text, is_circuit = read_model(config)
        decoders = [make_decoder(config, text, is_circuit=is_circuit)]
        reachable = register_functions()
        if config.loop == "compiled" and not reachable:
            raise ValueError("libzmq cannot be called from compiled code here: use loop 'auto' or 'python'")
        kind: LoopKind = "compiled" if reachable and config.loop != "python" else "python"
        self._recorder: Recorder | None = None
        if config.record is not None:
            self._recorder = Recorder(
                Path(config.record),
                streams=config.streams,
                limit_bytes=config.record_bytes,
                core=config.keeper_core,
            )
        # After all that may refuse: a private folder is created here, and its lock marks it.
        self._endpoint = endpoint = socket_address(config.bind) if config.bind else private_endpoint()
        check_endpoint(endpoint, has_keys=config.keys is not None, insecure=config.insecure)
        self._stop = False
        self._workers: list[Worker] = []
        self._lock = EndpointLock(endpoint)
        self._hub: Hub | None = None
        self._server: ControlServer | None = None
        self._control: Control | None = None
        try:
            self._hub = Hub(server=config.keys, io_core=config.io_core)
            self._server = ControlServer(self._hub, endpoint)
            self.endpoint = self._server.endpoint
            if config.bind and config.bind.startswith("shm://"):
                self.endpoint = config.bind
            base = endpoint if endpoint.startswith("ipc://") else endpoint.rpartition(":")[0] + ":*"
            for stream in range(config.streams):
                core, block_cores = cores_of_stream(
                    config.cores, stream, decoder_threads=config.decoder_threads
                )
                if stream:
                    decoders.append(make_decoder(config, text, is_circuit=is_circuit))
                worker = Worker(
                    session=Session(decoder=decoders[stream], stream=stream, limits=limits),
                    hub=self._hub,
                    base=base,
                    options=ThreadOptions(
                        core=core, block_cores=block_cores, spin=config.spin, fifo=config.fifo
                    ),
                    loop_kind=kind,
                    tap=self._recorder.taps[stream] if self._recorder else None,
                )
                self._workers.append(worker)
                worker.start()
            description = Description(
                text=text,
                is_circuit=is_circuit,
                session=self._workers[0].session,
                decoder=config.decoder,
                about=config.about,
            )
            if self._recorder is not None:
                self._recorder.start(about=description.for_recordings(), model=text)
            self._control = Control(
                self._workers,
                hub=self._hub,
                admission=admission,
                description=description,
                boot=self.boot,
                log=self.log,
                recorder=self._recorder,
            )
        except BaseException:
            self.close()
            raise

    def ready(self) -> dict[str, Any]:
        """Return the line that announces the daemon, as a JSON object."""
        assert self._hub is not None
        worker = self._workers[0]
        notes = [*self._hub.notes, *(note for each in self._workers for note in each.notes)]
        if is_loopback(self.endpoint) and self.config.keys is None:
            notes.append("loopback tcp without keys is open to every user of this machine")
        return {
            "type": "ready",
            "control": self.endpoint,
            "boot": self.boot,
            "pid": os.getpid(),
            "streams": len(self._workers),
            "loop": worker.loop_kind,
            "spin": self.config.spin,
            "digest": f"{worker.session.digest:016x}",
            "notes": notes,
        }

    def run(self) -> None:
        """Serve until `stop` is called or the parent ends."""
        assert self._server is not None
        assert self._control is not None
        ready = self.ready()
        self.log.event(
            "started", **{name: value for name, value in ready.items() if name not in ("type", "notes")}
        )
        for note in ready["notes"]:
            self.log.event("note", level="warning", text=note)
        reason = "stopped"
        while not self._stop:
            for worker in self._workers:
                worker.keep()
            if self.config.parent and os.getppid() != self.config.parent:
                reason = "its parent process has ended"
                break
            before = now_ns()
            control = self._control
            if not self._server.poll(timeout_ms=_POLL_MS, answer=control.answer, undo=control.undo):
                waited = int(now_ns() - before)
                if waited > _STALL_NS:
                    self.log.count("stall of the machine", {"times": 1, "ms": waited // 10**6 - _POLL_MS})
            self._control.num_invalid = self._server.num_refused
            self._control.supervise()
            if self._recorder is not None:
                self._recorder.report(self.log)
        self.log.event("ending", reason=reason)

    def stop(self) -> None:
        """Make `run` return; may be called by a signal handler."""
        self._stop = True

    def close(self) -> None:
        """Stop all threads and close all sockets; open shots are answered as RESTARTED."""
        for worker in self._workers:
            worker.stop()
        if self._recorder is not None:
            self._recorder.close()
            self._recorder.report(self.log)
        if self._control is not None:
            self._control.close()
        if self._server is not None:
            self._server.close()
        if self._hub is not None:
            self._hub.close()
        self._lock.release()
        if self.config.bind is None:
            shutil.rmtree(Path(self._endpoint.removeprefix("ipc://")).parent, ignore_errors=True)


def _write_error(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def main(config: DaemonConfig, *, say: Callable[[str], None]) -> int:
    """Serve in this process until SIGTERM, SIGINT or the parent's end; `say` gets the ready line."""
    daemon = Daemon(config)

    def handle(number: int, frame: FrameType | None) -> None:
        daemon.stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    pin_thread(config.keeper_core)
    try:
        gc.collect()
        gc.freeze()
        gc.disable()
        say(json.dumps(daemon.ready()))
        daemon.run()
    finally:
        daemon.close()
        gc.enable()
        for number, old in before.items():
            signal.signal(number, old)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(DaemonConfig.from_json(sys.stdin.read()), say=lambda text: print(text, flush=True)))
    except (ValueError, FileNotFoundError) as error:
        print(json.dumps({"type": "error", "message": str(error)}), flush=True)
        sys.exit(2)
