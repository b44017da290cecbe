"""A base model of the line's own: random weights, and a tokenizer trained on its training texts."""
