"""Causal language modelling: each token of a text is predicted from those before it."""
