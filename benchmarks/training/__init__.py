"""Training and tokenization against their named peers."""
