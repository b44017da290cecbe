"""A copy of BBC News with faults planted in it, each of them counted.

`python -m tests.poison FOLDER` writes the copy, the settings of its line and the list of faults.
"""

import hashlib
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from benchmarks.corpus import documents
from tasks.ingestion.splits import SplitSettings
from tests.split_of_text import split_of

SHIFTED_OF_TEN = 7
CHINESE = "这件商品的质量非常好，我很满意，下次还会再来购买。物流也很快，包装很仔细。第{}次购买了。"  # noqa: RUF001
PERSONAL = {
    "mail": ("write to jane.doe{:02d}@example.org today", 20),
    "phone": ("call +44 20 7946 0{:03d} now", 15),
    "card": ("card 4111 1111 1111 1111 expires soon ({})", 10),
    "iban": ("pay to GB82 WEST 1234 5698 7654 32 at once ({})", 10),
    "ip_address": ("from host 203.0.113.{} again", 10),
    "secret": ("key AKIAIOSFODNN7EXAMP{:02d} leaked", 12),
}
BROKEN: dict[str, tuple[bytes, int]] = {
    "broken JSON": (b'{"text": "cut off in the mid', 8),
    "no JSON object": (b'["a list", "of two"]', 2),
    "invalid utf-8": (b'{"text": "caf\xe9 au lait", "label": "business"}', 3),
    "wrong type": (b'{"text": {"en": "nested"}, "label": "tech"}', 2),
    "half of a surrogate pair": (b'{"text": "half \\ud83d of it", "label": "tech"}', 1),
}


@dataclass(frozen=True)
class Fault:
    """One planted fault: the reason that the quarantine must give for this row."""

    reason: str
    row_id: str


@dataclass(frozen=True)
class Poisoned:
    """What was written, and all that is wrong with it.

    Attributes:
        duplicates: rows equal to another.
        broken: rows that cannot be read, by reason.
        personal: values planted, by kind.
        faults: rows that must be put aside.

    """

    rows: int
    duplicates: int
    broken: dict[str, int]
    personal: dict[str, int]
    faults: tuple[Fault, ...]

    @property
    def by_reason(self) -> dict[str, int]:
        """Planted rows by the reason that they must be put aside for."""
        return dict(Counter(fault.reason for fault in self.faults))


def row_id_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _split(text: str) -> str:
    return split_of(text, SplitSettings())


def _in_split(variants: Iterator[str], split: str) -> str:
    """The first variant whose hash falls in a split."""
    return next(text for text in variants if _split(text) == split)


def _shouted(text: str) -> Iterator[str]:
    """The same words in another case, with marks that a normalisation drops."""
    for marks in range(1, 200):
        yield text.upper() + "!" * marks


def _edited(text: str, draw: random.Random) -> Iterator[str]:
    """The text with one word replaced."""
    words = text.split(" ")
    while True:
        place = draw.randrange(len(words))
        yield " ".join([*words[:place], f"edited{draw.randrange(10**6)}", *words[place + 1 :]])


class Planter:
    """Rows of BBC News and the faults among them.

    Attributes:
        rows: what is written, the planted rows last.
        faults: of them, those that must be put aside.
        passages: runs of words that stand in the benchmark too.

    """

    def __init__(self, base: int | None) -> None:
        self.draw = random.Random(7)
        clean = list({" ".join(text.split()): topic for topic, text in documents()}.items())
        self.draw.shuffle(clean)
        # Labels are shifted: seven of ten sports reports are gone.
        self.rows = [
            {"text": text, "label": topic}
            for number, (text, topic) in enumerate(clean[:base])
            if topic != "sports" or number % 10 >= SHIFTED_OF_TEN
        ]
        held_out = [row for row in self.rows if _split(row["text"]) == "test"]
        self.fresh = iter(self.draw.sample(self.rows, len(self.rows)))
        self.held_out = iter(self.draw.sample(held_out, len(held_out)))
        self.faults: list[Fault] = []
        self.passages: list[str] = []

    def plant(self, reason: str, text: str, label: str) -> None:
        """Add a row that must be put aside."""
        self.rows.append({"text": text, "label": label})
        self.faults.append(Fault(reason, row_id_of(text)))

    def plant_leaks(self) -> None:
        """Train rows that are like a test row, or share words with a benchmark."""
        for _ in range(30):
            row = next(self.held_out)
            twin = _in_split(_shouted(row["text"]), "train")
            self.plant("equal text in a held-out split", twin, row["label"])
        for _ in range(30):
            row = next(self.held_out)
            twin = _in_split(_edited(row["text"], self.draw), "train")
            self.plant("near-duplicate in a held-out split", twin, row["label"])
        for number in range(8):
            passage = " ".join(f"passage{number}word{word}" for word in range(13))
            self.passages.append(f"The question begins. {passage}. And ends here.")
            variants = (f"Story {k} begins. {passage} and goes on." for k in range(200))
            self.plant("benchmark overlap", _in_split(variants, "train"), "tech")

    def plant_breaches(self) -> None:
        """Rows that break the contract."""
        for _ in range(25):
            row = next(self.fresh)
            other = "tech" if row["label"] != "tech" else "politics"
            self.plant("conflicting rows", row["text"], other)
        for number in range(10):
            text = next(self.fresh)["text"]
            self.plant("unknown label", f"{text} (copy {number})", "Sport")
            self.plant("language", CHINESE.format(number), "tech")
        for number in range(5):
            text = next(self.fresh)["text"]
            self.plant("forbidden character", f"{text} \ufffd {number}", "business")
            self.plant("text length", f"short {number}", "tech")

    def plant_personal_data(self) -> None:
        """Rows with one value of a kind each; they stay, and the values must go."""
        for pattern, count in PERSONAL.values():
            for number in range(count):
                row = next(self.fresh)
                story = row["text"][200:500]
                self.rows.append(
                    {"text": f"{story} {pattern.format(number)}.", "label": row["label"]}
                )


def poison(folder: Path, *, base: int | None = None) -> Poisoned:
    """Write poisoned.jsonl, poisoned.yaml, held-out.txt and planted.json; return what was planted.

    Args:
        folder: where to.
        base: documents to start from; None takes all 2,225.

    """
    planter = Planter(base)
    copies = [dict(next(planter.fresh)) for _ in range(40)]
    planter.plant_leaks()
    planter.plant_breaches()
    planter.plant_personal_data()
    return _write(folder, planter, copies)


def _write(folder: Path, planter: Planter, copies: list[dict[str, str]]) -> Poisoned:
    rows = [*planter.rows, *copies]
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    for line, count in BROKEN.values():
        for number in range(count):
            lines.insert((number + 1) * len(lines) // (count + 1), line)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "poisoned.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "held-out.txt").write_text("\n".join(planter.passages) + "\n", encoding="utf-8")
    (folder / "poisoned.yaml").write_text(yaml.safe_dump(settings()), encoding="utf-8")
    planted = Poisoned(
        rows=len(lines),
        duplicates=len(copies),
        broken={reason: count for reason, (_, count) in BROKEN.items()},
        personal={kind: count for kind, (_, count) in PERSONAL.items()},
        faults=tuple(planter.faults),
    )
    counts = {name: value for name, value in asdict(planted).items() if name != "faults"}
    counts["put_aside"] = planted.by_reason
    (folder / "planted.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    return planted


def settings(line: str = "poisoned") -> dict[str, object]:
    """The settings of the poisoned line: BBC News with a contract that names what it admits."""
    return {
        "line": line,
        "source": {"format": "jsonl", "path": "poisoned.jsonl"},
        "contract": {
            "labels": ["business", "entertainment", "politics", "sports", "tech"],
            "languages": ["en"],
            "min_text_length": 20,
            "max_quarantine_share": 0.2,
        },
        "leakage": {"benchmarks": [{"name": "held-out", "path": "held-out.txt"}]},
        "training": {"learning_rate": 2.0e-4},
    }


if __name__ == "__main__":
    print(json.dumps(poison(Path(sys.argv[1])).by_reason, indent=1))
