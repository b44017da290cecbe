"""A trained model in fewer bytes: exported to ONNX, and its weights in eight bits."""
