"""The choices that several commands share."""

# The best matching decoder in the registry: what a command uses when none is named.
DEFAULT_DECODER = "mwpm"

# Nature 638, 920 (2025), arXiv 2408.13687: 105-qubit chip, d = 3, 5, 7, neural-network decoder.
PUBLISHED_LAMBDA = "2.14 +- 0.02"
