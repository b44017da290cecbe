"""What is done with a line in production that is watched: windows of recorded rows, judged."""
