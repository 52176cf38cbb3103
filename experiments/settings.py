"""The choices that several commands share."""

# The best matching decoder in the registry: what a command uses when none is named.
DEFAULT_DECODER = "pymatching"
