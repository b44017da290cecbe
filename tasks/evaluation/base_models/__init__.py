"""Which base model a line might start from: what each costs, and a probe of each."""
