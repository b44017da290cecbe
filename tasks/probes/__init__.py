"""Probes of a trained model beside its evaluation: what its answers rest on."""
