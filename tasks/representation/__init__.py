"""Who and what the rows stand for, before a model learns from them."""
