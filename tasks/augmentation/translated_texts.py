"""What two translation lines make of texts: written once, and kept in the store.

The address of what is kept is a digest of both models, of the texts and of code, so that the same
models are asked the same texts once, whatever else of a line changes; and where the asking was cut
off, it goes on behind what is there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from infra.base_models import fetch_stored
from infra.code_digest import code_of
from infra.device import deterministic_algorithms
from infra.digests import as_json, digest_of
from infra.store import ObjectStore
from tasks.records.back_translation import Translator, Translators
from tasks.task_types.generation.beam_search import BeamWriter
from tasks.task_types.generation.opening import open_writer


@dataclass(frozen=True)
class RoundTrip:
    """A text in the other language, and what came back of it.

    Attributes:
        between: None where the first model could not read or write the whole.
        back: None where either could not.

    """

    between: str | None
    back: str | None


class TranslatedTexts:
    """Two models that translate; they are loaded when a text is first asked that is not kept."""

    def __init__(self, store: ObjectStore, translators: Translators) -> None:
        self._store, self._translators = store, translators

    def of(self, texts: Sequence[str]) -> list[RoundTrip]:
        """Each text there and back, in their order.

        Raises:
            BaseModelError: a model cannot be loaded.
            TrainingError: its scores are no numbers.
            StoreError: the store cannot be reached, or holds other weights than were registered.

        """
        uri = self._store.uri("back-translations", f"{self._key(texts)}.json")
        if not self._store.exists(uri):
            with deterministic_algorithms():
                written = write_translations(*self._writers, texts)
            pairs = [[one.between, one.back] for one in written]
            self._store.put_bytes(uri, json.dumps(pairs, ensure_ascii=False).encode())
        return [RoundTrip(*pair) for pair in json.loads(self._store.get_bytes(uri))]

    def _key(self, texts: Sequence[str]) -> str:
        inputs = {
            name: [one.weights.sha256, one.max_length, one.target_length]
            for name, one in (("to", self._translators.to), ("back", self._translators.back))
        }
        code = code_of(__name__, write_translations.__name__, as_json(inputs))
        return digest_of({**inputs, "texts": list(texts), "code": code.digest})

    @cached_property
    def _writers(self) -> tuple[BeamWriter, BeamWriter]:
        return self._open(self._translators.to), self._open(self._translators.back)

    def _open(self, one: Translator) -> BeamWriter:
        folder = fetch_stored(self._store, one.weights.uri, one.weights.sha256)
        return open_writer(folder, one.max_length, one.target_length)


def write_translations(to: BeamWriter, back: BeamWriter, texts: Sequence[str]) -> list[RoundTrip]:
    """Each text there and back, by beam search in batches of like length; see `RoundTrip`."""
    between = to.write_whole(texts)
    whole = [place for place, text in enumerate(between) if text]
    returned: list[str | None] = [None] * len(texts)
    found = back.write_whole([between[place] or "" for place in whole])
    for place, text in zip(whole, found, strict=True):
        returned[place] = text or None
    return [RoundTrip(one or None, text) for one, text in zip(between, returned, strict=True)]
