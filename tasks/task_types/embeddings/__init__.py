"""A text to a vector."""
