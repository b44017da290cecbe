"""The version in production, asked by others: over HTTP, or about many rows at once."""
