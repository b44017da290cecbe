"""Stereotypes in a language model: which of two sentences, and which answer, it holds likelier."""
