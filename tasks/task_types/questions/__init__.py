"""An answer within a text."""
