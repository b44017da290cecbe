"""Whether a classifier tells rows of another kind from its own."""
