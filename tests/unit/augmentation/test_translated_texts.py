"""What two models write is kept by content: asked once, and anew where any of it is another."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from infra.store import Artifact
from tasks.augmentation import translated_texts
from tasks.augmentation.translated_texts import RoundTrip, TranslatedTexts, write_translations
from tasks.records.back_translation import Translator, Translators
from tasks.task_types.generation.beam_search import BeamWriter
from tests.unit.task_types.pair_models import tiny_model

TEXTS = ["red cat", "big dog", "red " * 80]


class Shelf:
    """Objects by their addresses, and one folder of a model, in place of a store."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self.objects: dict[str, bytes] = {}

    def uri(self, *parts: str) -> str:
        return "/".join(parts)

    def exists(self, uri: str) -> bool:
        return uri in self.objects

    def put_bytes(self, uri: str, data: bytes) -> None:
        self.objects[uri] = data

    def get_bytes(self, uri: str) -> bytes:
        return self.objects[uri]

    def get_folder(self, _: Artifact, folder: Path) -> Path:
        return Path(shutil.copytree(self._model, folder))


def translators(to: str = "a", length: int = 6) -> Translators:
    one, other = (
        Translator(line, 1, Artifact(f"weights of {line}", digest * 64, 0), None, 48, length)
        for line, digest in (("there", to), ("back", "b"))
    )
    return Translators(one, other)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path / "home"))
    return Shelf(tiny_model(tmp_path / "model", "t5"))


def test_the_same_texts_are_asked_once_and_other_models_anew(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = TranslatedTexts(shelf, translators()).of(TEXTS)  # type: ignore[arg-type]
    assert len(found) == len(TEXTS)
    assert found[2] == RoundTrip(None, None)  # longer than what is read
    (kept,) = shelf.objects

    opened: list[Translators] = []

    def open_again(asked: Translators, texts: list[str]) -> list[RoundTrip]:
        fresh = TranslatedTexts(shelf, asked)  # type: ignore[arg-type]
        fresh._writers = ("to", "back")  # type: ignore[assignment]
        return fresh.of(texts)

    def write(to: str, back: str, texts: list[str]) -> list[RoundTrip]:
        opened.append(asked_now[-1])
        return [RoundTrip("x", "y")] * len(texts)

    write.__name__ = write_translations.__name__  # which tells the code that is asked
    monkeypatch.setattr(translated_texts, "write_translations", write)
    asked_now = [translators()]
    assert open_again(translators(), TEXTS) == found
    assert opened == []
    other_weights, shorter = translators("c"), translators(length=5)
    turned = replace(translators(), to=translators().back, back=translators().to)
    for asked, texts in (
        (other_weights, TEXTS), (shorter, TEXTS), (turned, TEXTS), (translators(), TEXTS[:2]),
    ):  # fmt: skip
        asked_now.append(asked)
        assert open_again(asked, texts) == [RoundTrip("x", "y")] * len(texts)
    assert opened == [other_weights, shorter, turned, translators()]
    assert kept in shelf.objects
    assert len(shelf.objects) == 5


class Scripted:
    """Writes what a table says, in place of a model."""

    def __init__(self, **says: str | None) -> None:
        self._says = says
        self.asked: list[str] = []

    def write_whole(self, texts: list[str]) -> list[str | None]:
        self.asked += texts
        return [self._says[text] for text in texts]


def test_what_is_not_whole_is_not_translated_back() -> None:
    to = Scripted(a="A", b=None, c="", d="D")
    back = Scripted(A="a again", D=None)
    writers: list[BeamWriter] = [to, back]  # type: ignore[list-item]
    assert write_translations(*writers, ["a", "b", "c", "d"]) == [
        RoundTrip("A", "a again"), RoundTrip(None, None), RoundTrip(None, None),
        RoundTrip("D", None),
    ]  # fmt: skip
    assert back.asked == ["A", "D"]
