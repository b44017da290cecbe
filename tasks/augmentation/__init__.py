"""New training rows from those there are: which, how many, and what is left out."""
