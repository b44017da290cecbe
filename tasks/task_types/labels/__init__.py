"""A text to a label, labels or a number."""
