"""`qec monitor`: live view of a decoder daemon in a terminal, as a page, or as metrics."""

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.live import Live

from experiments.common.parser import real, whole
from experiments.monitor.screen import draw_screen
from experiments.monitor.watch import Sample, Watch
from realtime.security import ClientKeys
from realtime.service.client import Client

# A daemon that takes longer to answer is shown as lost.
_PATIENCE_S = 2.0
_EXTRA = "install the extra: pip install 'below-threshold[monitor]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec monitor`."""
    add = parser.add_argument
    parser.epilog = (
        "Statistics come from the daemon's control thread, which does not decode. Ctrl-C ends the view, not\n"
        "the daemon. Latencies: docs/pages/protocol.md."
    )
    add("address", metavar="ADDRESS", help="control address of the daemon, as qec serve printed it")
    add(
        "--interval",
        type=real(above=0.05, below=3600),
        default=1.0,
        metavar="S",
        help="seconds between samples",
    )
    add("--samples", type=whole(), metavar="N", help="end after this number of samples")
    add(
        "--web",
        type=whole(0),
        nargs="?",
        const=0,
        metavar="PORT",
        help="show a page on this loopback port; 0: a free one",
    )
    add(
        "--metrics",
        type=whole(0),
        metavar="PORT",
        help="offer metrics for Prometheus on this loopback port; 0: a free one",
    )
    add("--secret_key", metavar="FILE", help="of this client, for a daemon with keys")
    add("--server_key", metavar="FILE", help="public key of the daemon")


class _State:
    """Samples, and whether the daemon answers."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.is_lost = False
        self.taken = 0

    def poll(self) -> None:
        """Take a sample."""
        try:
            self.watch.sample()
        except TimeoutError:
            self.is_lost = True
        else:
            self.is_lost = False
        self.taken += 1

    def last(self) -> Sample:
        """Return the last sample; TimeoutError if the daemon did not answer since."""
        if self.is_lost or not self.watch.history:
            raise TimeoutError("the daemon does not answer")
        return self.watch.history[-1]


def run(args: argparse.Namespace) -> int:
    """Watch until Ctrl-C; see `add_arguments`."""
    if (args.secret_key is None) != (args.server_key is None):
        raise ValueError("give both --secret_key and --server_key, or neither")
    keys = None
    if args.secret_key is not None:
        keys = ClientKeys(secret=Path(args.secret_key), server=Path(args.server_key))
    close: Callable[[], None] | None = None
    with Client(args.address, keys=keys, timeout_s=_PATIENCE_S) as client:
        state = _State(Watch(client))
        state.poll()
        if state.is_lost:
            raise ValueError(f"{args.address}: no daemon answers there")
        try:
            if args.metrics is not None:
                close, port = _serve_metrics(state, args.metrics)
                print(f"Metrics: http://127.0.0.1:{port}/metrics", flush=True)
            if args.web is not None:
                return _show_page(state, args)
            return _show_screen(state, args)
        except KeyboardInterrupt:
            return 0
        finally:
            if close is not None:
                close()


def _serve_metrics(state: _State, port: int) -> tuple[Callable[[], None], int]:
    try:
        from experiments.monitor.metrics import serve_metrics
    except ModuleNotFoundError as error:
        raise ValueError(f"--metrics needs {error.name}: {_EXTRA}") from None
    try:
        return serve_metrics(state.last, port=port)
    except OSError as error:
        raise ValueError(f"--metrics {port}: the port cannot be used: {error.strerror}") from None


def _show_page(state: _State, args: argparse.Namespace) -> int:
    try:
        from experiments.monitor.page import serve_page
    except ModuleNotFoundError as error:
        raise ValueError(f"--web needs {error.name}: {_EXTRA}") from None

    def poll() -> None:
        state.poll()
        if args.samples is not None and state.taken >= args.samples:
            server.io_loop.stop()

    try:
        server = serve_page(
            state.watch.history,
            address=args.address,
            port=args.web,
            poll=poll,
            is_lost=lambda: state.is_lost,
            interval_s=args.interval,
        )
    except OSError as error:
        raise ValueError(f"--web {args.web}: the port cannot be used: {error.strerror}") from None
    server.start()
    print(f"Page: http://127.0.0.1:{server.port}/", flush=True)
    try:
        server.io_loop.start()
    finally:
        server.stop()
    return 0


def _show_screen(state: _State, args: argparse.Namespace) -> int:
    console = Console()
    if not console.is_interactive:  # one screen after another, for files and pipes
        while True:
            _print_screen(console, state, args.address)
            if args.samples is not None and state.taken >= args.samples:
                return 0
            time.sleep(args.interval)
            state.poll()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while args.samples is None or state.taken <= args.samples:
            live.update(
                draw_screen(
                    state.watch.history,
                    address=_title(state, args.address),
                    width=console.width,
                    height=console.height - 1,
                ),
                refresh=True,
            )
            time.sleep(args.interval)
            state.poll()
    return 0


def _print_screen(console: Console, state: _State, address: str) -> None:
    width = shutil.get_terminal_size().columns
    console.width = width
    console.print(draw_screen(state.watch.history, address=_title(state, address), width=width))
    print(flush=True)
    if state.is_lost:
        print("qec monitor: the daemon does not answer", file=sys.stderr)


def _title(state: _State, address: str) -> str:
    return f"{address}  DOES NOT ANSWER" if state.is_lost else address
