"""Instruction tuning: an assistant's answers in conversations."""
