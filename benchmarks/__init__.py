"""Benchmarks: each prints ratios against the peer that it names, measured in the same run."""
