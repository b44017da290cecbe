"""Texts as vectors, such that texts of like meaning have like vectors."""
