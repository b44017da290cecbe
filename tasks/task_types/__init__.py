"""What a line's model is for; what that is made of, and how to add one: docs/task-types.md."""
