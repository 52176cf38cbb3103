"""`qec sweep` and `qec plot`: counts on a grid of memory experiments, fits and figures from them."""
