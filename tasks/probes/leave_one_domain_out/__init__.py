"""How a model does on a domain whose rows it did not learn: trained once more without them."""
