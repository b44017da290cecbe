"""What probes of a trained model cost beside its evaluation, and what they find."""
