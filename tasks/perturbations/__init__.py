"""Small changes to a text: for new training rows, and for test rows with noise."""
