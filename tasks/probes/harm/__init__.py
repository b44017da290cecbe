"""What a model writes that it should not: terms of a lexicon, personal data, unwanted answers."""
