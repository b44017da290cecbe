"""Training by distillation: what a teacher is, what it says, and which layers a student takes."""
