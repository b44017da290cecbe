"""Whether a classifier tells out-of-distribution texts from its own."""
