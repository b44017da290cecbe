"""What a GPU must do right and fast, checked in one run on a bare machine: docs/gpu.md."""
