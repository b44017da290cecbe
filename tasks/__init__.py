"""The stages, one folder each, and the records and verdicts that pass between them."""
