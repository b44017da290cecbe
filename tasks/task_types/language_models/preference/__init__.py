"""Preference tuning: a model that answers learns which of two answers people preferred."""
