"""Next-sentence prediction beside masked language modelling."""
