"""How the candidate treats groups: assessed, with intervals, and never called debiased."""
