"""Evaluation and fairness against their named peers: `make bench-evaluation`."""
