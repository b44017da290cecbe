"""Many rows at once, scored by the version in production, exactly once for each input object."""
