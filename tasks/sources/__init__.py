"""The files, queries and hub data sets that a line reads, row by row."""
