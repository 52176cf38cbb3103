"""`python -m qec`: the `qec` command."""

import sys

from experiments.cli import main

sys.exit(main())
