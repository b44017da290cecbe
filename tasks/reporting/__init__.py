"""The evidence in writing: the HTML report and the model card."""
