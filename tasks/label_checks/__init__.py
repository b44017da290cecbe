"""Labels looked at before and after training: what predicts them too well, which look wrong."""
