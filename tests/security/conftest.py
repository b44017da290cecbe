"""The candidate of the registry's tests, to be attacked."""

from tests.integration.conftest import candidate, registered

__all__ = ["candidate", "registered"]
