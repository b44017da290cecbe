"""Duplicates and overlaps that would poison an evaluation."""
