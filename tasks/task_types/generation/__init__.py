"""A text to another text: translation and summarisation."""
