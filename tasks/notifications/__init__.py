"""Who is told of what a line came to, and in which words. What sends it is `tasks.stages`."""
