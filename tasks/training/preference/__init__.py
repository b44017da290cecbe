"""Training on preferences: the reference model, and what it holds of the rows."""
