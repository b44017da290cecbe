"""Any number of labels of a fixed set for a text, each yes or no."""
