"""Training with differential privacy: DP-SGD, and what it has spent."""
