"""`qec bench decoders` and `qec bench build`: decoding and construction times against PyMatching."""
