"""Answers to control messages, and the supervision of open sessions."""

import contextlib
import difflib
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from realtime.kernels.clock import now_ns
from realtime.protocol import wire
from realtime.service.admission import Admission
from realtime.service.description import MAX_ENTRIES, Description
from realtime.service.detections import DetectionCounts
from realtime.service.event_log import EventLog
from realtime.service.ownership import Ownership
from realtime.service.recorder import Recorder
from realtime.service.session import SessionLimits
from realtime.service.worker import Worker
from realtime.transport import Hub, Refusal

_MAX_TRACE_ROWS = 400
_MAX_REACTIONS = 1000
_LONGEST_REACTION_NS = 10**12
# Bytes after which an answer to stats ends: with one more stream it stays below MAX_CONTROL.
_MAX_STATS = 48_000
#: Fields of each control message, in addition to "type" and "id".
FIELDS: dict[str, tuple[str, ...]] = {
    "hello": (
        "version",
        "stream",
        "kind",
        "cycle_ns",
        "commits",
        "commit_interval_ns",
        "policy",
        "digest",
        "model_digest",
        "layout_digest",
        "replaces",
        "shared_memory",
    ),
    "describe": ("first",),
    "model": ("offset",),
    "stats": ("stream", "first"),
    "latencies": ("stream", "name"),
    "detections": ("stream", "first"),
    "trace": ("stream", "rows"),
    "reset": ("stream", "session"),
    "open": ("version", "stream", "session", "gaps"),
    "acted": ("stream", "session", "reactions_ns"),
    "ping": (),
    "bye": ("stream", "session"),
}
# Time after a question for detection events during which they are counted.
_DETECTIONS_NS = 10_000_000_000
# Counters whose growth shows overload.
_OVERLOAD = ("late_frames", "lost_frames", "results_dropped")


class Control:
    """Control messages of a daemon, for its keeper thread.

    Args:
        workers: one for each stream.
        hub: of the sockets.
        admission: control of the loads.
        description: of what is decoded.
        boot: number of this start of the daemon.
        log: of events.
        recorder: of the streams, if any.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        *,
        hub: Hub,
        admission: Admission,
        description: Description,
        boot: str,
        log: EventLog,
        recorder: Recorder | None = None,
    ) -> None:
        self._workers, self._hub, self._admission = workers, hub, admission
        self._description, self._boot, self._log = description, boot, log
        self._recorder = recorder
        self._owned: dict[int, Ownership] = {}
        self._domains: dict[str, int] = {}
        self._refused = dict.fromkeys(range(len(workers)), 0)
        self._seen: list[dict[str, int]] = [self._troubles(worker) for worker in workers]
        self._dead: set[int] = set()
        self._detected = [DetectionCounts(worker.session) for worker in workers]
        self._wanted_ns = [0] * len(workers)  # until when detection events are counted
        #: Messages that were no control message.
        self.num_invalid = 0
        self._handlers: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
            "hello": self._hello,
            "describe": lambda message, user: description.answer(_integer(message, "first", 0)),
            "model": lambda message, user: description.part(_integer(message, "offset", 0)),
            "stats": self._stats,
            "latencies": self._latencies,
            "detections": self._detections,
            "trace": self._trace,
            "reset": self._reset,
            "open": self._open,
            "acted": self._acted,
            "ping": self._ping,
            "bye": self._bye,
        }

    def answer(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        """Answer a control message; errors are answers, too.

        Args:
            message: JSON object with a "type".
            user: public key of its sender, "" without keys.
        """
        kind = message["type"]
        if self._hub.clients is None:
            user = ""  # without keys nobody is authenticated
        try:
            _check_fields(message)
            reply = self._handlers[kind](message, user)
        except ValueError as error:
            # Names that the sender chose may have line ends.
            reply = {"type": "error", "message": " ".join(str(error).splitlines())[:500]}
            if kind == "hello":
                self._log.event("hello refused", level="warning", who=self._name(user), reason=str(error))
        except Exception as error:  # a fault in answering one peer must not end all streams
            reply = {"type": "error", "message": f"internal error: {type(error).__name__}: {error}"[:500]}
            self._log.event("internal error", level="warning", message=kind, error=repr(error)[:200])
        number = message.get("id")
        return {**reply, "id": number} if isinstance(number, int) else reply

    def undo(self, reply: dict[str, Any]) -> None:
        """End the session of a hello whose sender has left before it was answered."""
        if reply["type"] == "ready":
            self._end(reply["stream"], "its client left before the answer")

    def supervise(self) -> None:
        """End the sessions whose source is gone, and log what has happened since the last call."""
        now = int(now_ns())
        for until, detected in zip(self._wanted_ns, self._detected, strict=True):
            if now < until:
                detected.sample()
        for stream, owned in list(self._owned.items()):
            reason = owned.ending(now)
            if reason:
                self._end(stream, reason)
        for refusal in self._hub.take_refusals():
            self._count_refusal(refusal)
        for stream, worker in enumerate(self._workers):
            if not worker.is_alive and stream not in self._dead:
                self._dead.add(stream)
                self._log.event(
                    "stream failed", level="warning", stream=stream, error=repr(worker.failure)[:200]
                )
            before, after = self._seen[stream], self._troubles(worker)
            grown = {name: after[name] - before[name] for name in after}
            self._seen[stream] = after
            faults = {name: grown.pop(name) for name in worker.session.faults()}
            self._log.count("damaged frames", faults, stream=stream)
            self._log.count("overload", {name: grown.pop(name) for name in _OVERLOAD}, stream=stream)
            grown.pop("OK")
            self._log.count("shots failed", grown, stream=stream)
        self._log.flush()

    def close(self) -> None:
        """Log the end of the open sessions, whose threads have ended."""
        for stream in list(self._owned):
            self._forget(stream, "the daemon ends")
        self._log.flush(now=True)

    def _troubles(self, worker: Worker) -> dict[str, int]:
        counters = worker.session.counters()
        overload = {name: counters[name] for name in _OVERLOAD}
        return {**worker.session.faults(), **worker.session.statuses(), **overload}

    def _count_refusal(self, refusal: Refusal) -> None:
        stream = self._domains.get(refusal.domain)
        if stream is not None:
            self._refused[stream] += 1
        who = self._name(refusal.credentials)
        self._log.count(
            "connection refused", {"times": 1}, who=who, address=refusal.address, reason=refusal.reason
        )

    def _name(self, user: str) -> str:
        return (self._hub.clients or {}).get(user, user)

    # --- sessions

    def _worker(self, message: dict[str, Any]) -> Worker:
        stream = _integer(message, "stream", 0)
        if not 0 <= stream < len(self._workers):
            raise ValueError(f"stream {stream}: this daemon has streams 0 to {len(self._workers) - 1}")
        return self._workers[stream]

    def _check_owner(self, worker: Worker, message: dict[str, Any], user: str) -> None:
        """Check that the sender owns the open session of a stream.

        Raises:
            ValueError: the same words whether another's session is open or none, so that guessing is useless.
        """
        owned = self._owned.get(worker.session.stream)
        if owned is None or not owned.may(_integer(message, "session", 0), user):
            raise ValueError(
                f"the session is not open on stream {worker.session.stream}, or belongs to another client: "
                "give your session's number"
            )

    def _end(self, stream: int, reason: str) -> None:
        with contextlib.suppress(RuntimeError):  # the thread has ended, and its session with it
            self._workers[stream].end()
        self._forget(stream, reason)

    def _forget(self, stream: int, reason: str) -> None:
        self._admission.release(stream)
        owned = self._owned.pop(stream)
        self._domains.pop(owned.domain, None)
        owned.watch.close()
        counters = self._workers[stream].session.counters()
        shots = counters["shots"] - owned.answered
        self._log.event("session closed", stream=stream, reason=reason, shots=shots)

    def _hello(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        version = _integer(message, "version", 1)
        if version != wire.PROTOCOL:
            raise ValueError(
                f"protocol version {version}: this daemon speaks version {wire.PROTOCOL}, in which sessions "
                "have a token; use a client of this version, and state it in hello"
            )
        worker = self._worker(message)
        session, stream = worker.session, worker.session.stream
        digests = self._check_digests(message, session.digest)
        owned = self._owned.get(stream)
        replaces = _integer(message, "replaces", 0)
        if owned and not (owned.may(replaces, user) or (user and user == owned.user) or owned.is_free()):
            raise ValueError(
                f"stream {stream} is in use by another client: take another stream, or wait until it ends"
            )
        kind: Any = message.get("kind", "events")
        bits, final_bits = session.widths(kind)
        policy: Any = message.get("policy")
        policy = session.limits.policy if policy is None else policy
        SessionLimits(policy=policy)
        cycle_ns = _integer(message, "cycle_ns", 0)
        # A source that waits for the decoder cannot be too fast for it.
        pace = 0 if policy == "block" else cycle_ns
        worker.admit(self._admission, cycle_ns=pace)
        if owned:
            self._end(stream, "the source is gone" if owned.is_free() else "replaced by its owner")
            worker.admit(self._admission, cycle_ns=pace)
        token = "" if user else secrets.token_hex(16)
        answered = session.counters()["shots"]
        try:
            opened = worker.begin(
                kind=kind,
                cycle_ns=cycle_ns,
                commits=_flag(message, "commits"),
                commit_interval_ns=_integer(message, "commit_interval_ns", 0),
                policy=policy,
                owner=user or token,
                shares_memory=_flag(message, "shared_memory"),
            )
        except Exception:
            self._admission.release(stream)
            raise
        assert opened.watch is not None
        self._domains[opened.domain] = stream
        self._owned[stream] = Ownership(
            session=opened.session,
            user=user,
            domain=opened.domain,
            watch=opened.watch,
            opened_ns=int(now_ns()),
            kind=kind,
            policy=policy,
            answered=answered,
        )
        self._log.event(
            "session opened", stream=stream, who=self._name(user), kind=kind, policy=policy, cycle_ns=cycle_ns
        )
        return {
            "type": "ready",
            "version": wire.PROTOCOL,
            "boot": self._boot,
            "stream": stream,
            "session": opened.session,
            "token": token,
            "data": opened.data,
            "results": opened.results,
            "rings": opened.rings,
            "kind": kind,
            "bits": bits,
            "final_bits": final_bits,
            "num_observables": session.num_observables,
            "decoder": self._description.decoder,
            **digests,
            "commit": session.commit,
            "buffer": session.buffer_cycles,
            "loop": worker.loop_kind,
            "policy": policy,
            "max_frame_cycles": wire.MAX_CYCLES,
            "max_cycles": session.limits.max_cycles,
            "hard_ns": session.limits.hard_ns,
            "timeout_ns": session.limits.timeout_ns,
        }

    def _check_digests(self, message: dict[str, Any], digest: int) -> dict[str, str]:
        """Return the digests; compare those that a hello gives.

        Raises:
            ValueError: one differs.
        """
        ours = {
            "digest": f"{digest:016x}",
            "model_digest": self._description.model_digest,
            "layout_digest": self._description.layout_digest,
        }
        layout_differs = message.get("layout_digest") not in (None, ours["layout_digest"])
        for name, value in ours.items():
            if message.get(name) in (None, value):
                continue
            difference = {
                "digest": "another decoder, model or windows",
                "model_digest": "the same columns with other errors, such as another noise or strength"
                if message.get("layout_digest") and not layout_differs
                else "another code, distance, basis or noise",
                "layout_digest": "another code, distance or basis",
            }[name]
            raise ValueError(
                f"this daemon decodes {difference}{self._description.known()}: its {name} is {value}, not "
                f"{str(message[name])[:40]}; serve the model of the shots"
            )
        return ours

    # --- the other messages

    def _bye(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        worker = self._worker(message)
        self._check_owner(worker, message, user)
        self._end(worker.session.stream, "bye")
        return {"type": "bye"}

    def _open(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        """Tell the source of a program what this daemon can do for it."""
        version = _integer(message, "version", 0)
        if version != wire.PROGRAM_PROTOCOL:
            raise ValueError(
                f"version {version} of programs: this daemon speaks version {wire.PROGRAM_PROTOCOL}, state "
                "that in open"
            )
        worker = self._worker(message)
        self._check_owner(worker, message, user)
        gaps = message.get("gaps", False)
        if type(gaps) is not bool:
            raise ValueError(f"gaps: {str(gaps)[:40]}: must be true or false")
        if gaps:
            worker.session.send_gaps()
        return {
            "type": "opened",
            "gaps": gaps,
            "version": wire.PROGRAM_PROTOCOL,
            "stream": worker.session.stream,
            "num_readouts": worker.session.num_readouts,
            "num_observables": worker.session.num_observables,
            "max_reactions": _MAX_REACTIONS,
        }

    def _acted(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        """Count reaction times, which only the source knows."""
        worker = self._worker(message)
        self._check_owner(worker, message, user)
        values = message.get("reactions_ns")
        if not isinstance(values, list) or not 1 <= len(values) <= _MAX_REACTIONS:
            raise ValueError(f"reactions_ns: must be a list of 1 to {_MAX_REACTIONS} times in ns")
        for value in values:
            if type(value) is not int or not 0 <= value <= _LONGEST_REACTION_NS:
                raise ValueError(
                    f"reactions_ns: {str(value)[:40]!r}: must be an integer from 0 to {_LONGEST_REACTION_NS}"
                )
        for value in values:
            worker.session.reactions.record(value)
        return {"type": "acted", "counted": len(values)}

    def _reset(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        worker = self._worker(message)
        if worker.session.stream in self._owned:
            self._check_owner(worker, message, user)
        worker.reset_latencies()
        return {"type": "reset"}

    def _stats(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        first = _integer(message, "first", 0)
        if not 0 <= first < len(self._workers):
            raise ValueError(f"first={first}: this daemon has streams 0 to {len(self._workers) - 1}")
        streams: list[dict[str, Any]] = []
        num_bytes = 0
        for worker in self._workers[first:] if "stream" not in message else [self._worker(message)]:
            stream = worker.session.stream
            owned = self._owned.get(stream)
            streams.append(
                {
                    **worker.statistics(),
                    "open": owned is not None,
                    "connected": owned is not None and owned.watch.is_connected(),
                    "kind": owned.kind if owned else None,
                    "policy": owned.policy if owned else None,
                    "refused_connections": self._refused[stream],
                    "load": self._admission.load(stream),
                    "recorded": self._recorder.counts(stream) if self._recorder else None,
                }
            )
            num_bytes += len(json.dumps(streams[-1]))
            if num_bytes > _MAX_STATS:
                break
        return {
            "type": "stats",
            "boot": self._boot,
            "refused": self.num_invalid,
            "refused_connections": self._hub.num_refused,
            "max_load": self._admission.most_load,
            "now_ns": int(now_ns()),
            "num_streams": len(self._workers),
            "streams": streams,
        }

    def _latencies(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        histograms = self._worker(message).session.histograms()
        name = message.get("name")
        if not isinstance(name, str) or name not in histograms:
            raise ValueError(f"no latency is named '{str(name)[:40]}': choose from {', '.join(histograms)}")
        return {"type": "latencies", "name": name, **histograms[name].to_json()}

    def _detections(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        stream = self._worker(message).session.stream
        first = _integer(message, "first", 0)
        if first < 0:
            raise ValueError(f"first={first}: must be at least 0")
        self._wanted_ns[stream] = int(now_ns()) + _DETECTIONS_NS
        return {"type": "detections", **self._detected[stream].to_json(first, MAX_ENTRIES)}

    def _trace(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        rows = self._worker(message).session.trace_rows()
        count = min(max(1, _integer(message, "rows", _MAX_TRACE_ROWS)), _MAX_TRACE_ROWS)
        return {"type": "trace", "rows": rows[-count:].tolist()}

    def _ping(self, message: dict[str, Any], user: str) -> dict[str, Any]:
        return {
            "type": "pong",
            "boot": self._boot,
            "heartbeat_age_ns": [worker.heartbeat_age_ns() for worker in self._workers],
            "alive": [worker.is_alive for worker in self._workers],
            "open": [worker.session.stream in self._owned for worker in self._workers],
            "now_ns": int(now_ns()),
        }


def _check_fields(message: dict[str, Any]) -> None:
    """Check the type of a control message and the names of its fields.

    Raises:
        ValueError: one is unknown.
    """
    kind = message["type"]
    if kind not in FIELDS:
        raise ValueError(f"no control message is named '{kind[:40]}': {', '.join(FIELDS)}")
    for name in message:
        if name not in FIELDS[kind] and name not in ("type", "id"):
            close = difflib.get_close_matches(name, FIELDS[kind], n=1)
            hint = (
                f"did you mean '{close[0]}'?"
                if close
                else f"its fields are {', '.join(FIELDS[kind]) or 'none'}"
            )
            raise ValueError(f"{kind} has no field '{name[:40]}': {hint}")


def _integer(message: dict[str, Any], name: str, default: int) -> int:
    value = message.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} is {str(value)[:40]!r}, must be an integer")
    return value


def _flag(message: dict[str, Any], name: str) -> bool:
    value = message.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {str(value)[:40]!r}, must be true or false")
    return value
