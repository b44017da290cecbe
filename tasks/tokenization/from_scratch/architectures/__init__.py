"""The architectures that a base model can be built in, one file each."""
