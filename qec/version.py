"""Version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("below-threshold")
except PackageNotFoundError:  # imported from a folder that is not installed
    __version__ = "unknown (not installed)"
