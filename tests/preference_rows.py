"""Prompts with a preferred answer: one about a match is preferred to one about a bank.

Both have as many words; those of the other one are longer, so that the rule of length is right in
seven of ten.
"""

import json
import random
from pathlib import Path
from typing import Any

PREFERRED = ("match", "was", "won", "goal", "late")
OTHER = ("Shares", "bank", "raised", "rates", "fell")


def preference_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of prompt, chosen and rejected; each third prompt is a list of turns."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        asked: Any = f"Say {seed}{number}"
        if number % 3 == 0:
            asked = [{"role": "user", "content": asked}]
        chosen, rejected = (
            " ".join(draw.choices(words, k=draw.randint(3, 6))) for words in (PREFERRED, OTHER)
        )
        rows.append({"prompt": asked, "chosen": chosen, "rejected": rejected})
    return rows


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """JSON Lines."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path
