"""What a base model that is not trained says of rows, and how near that is to their answers."""
