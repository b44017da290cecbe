"""Memory of training rows: whether a row was learned, and whether the model gives it away."""
