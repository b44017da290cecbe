"""Names of persons, found by a spaCy model."""

import warnings
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import spacy
from spacy.language import Language

from infra.errors import SettingsError
from tasks.validation.personal_data.findings import Finding
from tasks.validation.personal_data.settings import PrivacySettings

# What Presidio gives to each entity of a spaCy model, which gives none itself.
_CONFIDENCE: Final = 0.85
_PERSON_LABELS: Final = frozenset({"PERSON", "PER"})
# spaCy's entity recogniser takes about 1 GB for 100,000 characters.
_MAX_CHARACTERS: Final = 20_000
_BATCH: Final = 16


class NameModel:
    """A spaCy pipeline with nothing but what finds entities.

    Raises:
        SettingsError: the model is not installed, finds no persons, or is less sure than the
            settings ask.

    """

    def __init__(self, settings: PrivacySettings) -> None:
        if settings.min_confidence > _CONFIDENCE:
            raise SettingsError(
                f"privacy.min_confidence: {settings.min_confidence} leaves out every name, since "
                f"the confidence of names is {_CONFIDENCE}; lower it, or set "
                "privacy.policy: {name: allow}"
            )
        self._pipeline = _load(settings.name_model)

    def find(self, texts: pa.ChunkedArray) -> Iterator[tuple[int, list[Finding]]]:
        """Position and names of each text that has any."""
        pieces = (
            (text[start:end], (position, start))
            for position, text in enumerate(texts.to_pylist())
            if text and any(map(str.isalpha, text))
            for start, end in _pieces(text)
        )
        documents = self._pipeline.pipe(pieces, as_tuples=True, batch_size=_BATCH)
        for document, (position, start) in documents:
            names = [
                Finding("name", start + one.start_char, start + one.end_char, _CONFIDENCE)
                for one in document.ents
                if one.label_ in _PERSON_LABELS
            ]
            if names:
                yield position, names


def _load(name: str) -> Language:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the model's minor version is not spaCy's
            pipeline = spacy.load(name)
    except OSError:
        raise SettingsError(
            f"privacy.name_model: the spaCy model {name!r} is not installed; install it (pip "
            f"install {name}, or python -m spacy download {name}), or set privacy.policy: "
            "{name: allow}"
        ) from None
    if not _PERSON_LABELS & set(pipeline.pipe_labels.get("ner", ())):
        raise SettingsError(
            f"privacy.name_model: the spaCy model {name!r} does not tell persons; take one with "
            "a component 'ner' that has the label PERSON or PER"
        )
    # The entity recogniser and, in models where it has no vectors of its own, what it listens to.
    needed = {"ner"} | {
        component
        for component, pipe in pipeline.pipeline
        if "ner" in getattr(pipe, "listening_components", ())
    }
    for component in set(pipeline.pipe_names) - needed:
        pipeline.disable_pipe(component)
    return pipeline


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Spans of at most so many characters, cut at white space where there is any."""
    start = 0
    while len(text) - start > _MAX_CHARACTERS:
        limit = start + _MAX_CHARACTERS
        cut = max(text.rfind(" ", start, limit), text.rfind("\n", start, limit))
        end = cut if cut > start else limit
        yield start, end
        start = end
    yield start, len(text)
