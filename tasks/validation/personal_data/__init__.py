"""Personal data and secrets: found, redacted, put aside."""
