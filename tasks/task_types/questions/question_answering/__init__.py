"""The part of a text that answers a question, or that there is none."""
