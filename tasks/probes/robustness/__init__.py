"""What small changes of a text do to the answers of a trained model."""
