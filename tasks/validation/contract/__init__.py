"""The data contract, the suites that it comes to, and the rows that break it."""
