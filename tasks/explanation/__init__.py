"""Why a model answers as it does: attributions to words, how faithful they are, what they show."""
