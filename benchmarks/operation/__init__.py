"""Benchmarks of what comes after production: serving, scoring and monitoring."""
