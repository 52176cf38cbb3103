"""The choices that several commands share."""

# The best matching decoder in the registry: what a command uses when none is named.
DEFAULT_DECODER = "mwpm"

# Nature 638, 920 (2025), arXiv 2408.13687: 105-qubit chip, d = 3, 5, 7, neural-network decoder.
PUBLISHED_LAMBDA = "2.14 +- 0.02"

# The same paper, 72-qubit chip, distance 5: decoding in real time, 10 shots of each duration up to 10^6
# cycles of 1.1 us; from the last data received to the correction ready.
PUBLISHED_LATENCY_US = 63.0
PUBLISHED_LATENCY_WORDS = "decision latency 63 +- 17 us at d = 5, up to 10^6 cycles (Nature 638, 920)"
PUBLISHED_REALTIME = "epsilon_5 = (3.5 +- 0.1)e-3, Lambda = 2.0 +- 0.1"
CYCLE_NS = 1100.0
