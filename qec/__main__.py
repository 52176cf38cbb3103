"""`python -m qec`: the `qec` command."""

import importlib.util
import sys

try:
    from experiments.cli import main
except ModuleNotFoundError as error:
    found = importlib.util.find_spec("experiments")
    if error.name != "experiments.cli" or found is None:
        raise
    sys.exit(
        f"qec: {found.origin} hides the package 'experiments' of this program: rename it, or start elsewhere"
    )

sys.exit(main())
