"""Masked language modelling: hidden words are guessed from the text around them."""
