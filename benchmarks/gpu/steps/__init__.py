"""The steps of the check, one module each, run in processes of their own."""
