"""Text to token ids, and the base model that they are of."""
