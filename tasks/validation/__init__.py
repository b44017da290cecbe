"""From a snapshot to clean rows: the contract, leakage, personal data."""
