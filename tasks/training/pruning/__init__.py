"""A trained model with fewer neurons and layers, which is trained on to recover."""
