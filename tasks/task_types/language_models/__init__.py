"""Texts by their own words: causal and masked language models, next sentences, chat."""
