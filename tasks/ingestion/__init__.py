"""From rows to an immutable snapshot."""
