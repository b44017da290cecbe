"""Single-label classification of a text."""
