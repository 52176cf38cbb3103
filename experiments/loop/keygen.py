"""`qec keygen`: keys for a daemon and its sources that are not on one machine."""

import argparse
from pathlib import Path

from realtime.security import write_keys
from realtime.transport import new_keys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec keygen`."""
    parser.epilog = (
        "Writes NAME.key, which others may have, and NAME.key_secret, which only you can read. A daemon\n"
        "needs its own secret key and a folder with the public keys of those who may connect, a source its\n"
        "own secret key and the public key of the daemon."
    )
    parser.add_argument("name", metavar="NAME", help="of the files, for example daemon")
    parser.add_argument("--folder", default=".", metavar="FOLDER", help="where to; default: here")


def run(args: argparse.Namespace) -> int:
    """Write the two files."""
    public, secret = write_keys(Path(args.folder), args.name, make=new_keys)
    print(f"{public}: give it to those you talk to\n{secret}: keep it")
    return 0
