"""What a line of some task type can do for another line, which names it in its settings.

No stage asks which task type its own line has; these are of the other line, whose model it asks.
"""

from typing import Final

# Puts texts in another language.
TRANSLATES: Final = "translation"
# Gives a text one label of a fixed set.
CLASSIFIES_TEXTS: Final = "classification"
# Finds the entities of a text, and classifies pairs of them.
FINDS_ENTITIES: Final = "tagging"
RELATES_ENTITIES: Final = "relation_extraction"
