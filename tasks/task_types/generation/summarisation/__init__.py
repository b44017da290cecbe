"""A short form of a text."""
