"""A snapshot against the one that the champion was trained on."""
