"""How fast, and with how much memory, the data stages are: `make bench-data`."""
