"""When a classifier answers `abstain`: a threshold with a guarantee, and what it comes to."""
