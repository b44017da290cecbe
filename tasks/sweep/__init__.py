"""Choosing settings by a sweep: the space, the study that asks and is told, and the front."""
