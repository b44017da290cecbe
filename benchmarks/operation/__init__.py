"""Benchmarks of what comes after production: serving, and what others add."""
