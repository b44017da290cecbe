"""The order of the stages, and the branches that a verdict decides."""
