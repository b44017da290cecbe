"""What probes of a trained model cost beside its evaluation, and whether they find what is there."""
