"""Agreement with the words that people marked, and identity words."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.explanation.identity_words import excess_of
from tasks.explanation.methods import WordAttributions
from tasks.explanation.network import ExplainedNetwork
from tasks.explanation.rationales import Rationale, agreements, pin_rationales, read_rationales
from tasks.explanation.settings import RationaleSettings
from tasks.protected_groups.mentions import Term

# Local files are read without one.
NO_STORE = cast("ObjectStore", None)


def written(path: Path, *rows: Any) -> RationaleSettings:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return RationaleSettings(path=str(path))


def read(settings: RationaleSettings) -> Mapping[str, Rationale]:
    return read_rationales(settings, pin_rationales(settings, NO_STORE), NO_STORE)


ROW = {
    "text": "she said <user> shares fell",
    "post_tokens": ["she", "said", "<user>", "shares", "fell"],
    "rationales": [[0, 0, 1, 1, 0], [0, 0, 1, 1, 1], [1, 0, 0, 1, 0]],
}


def test_tokens_count_that_at_least_half_of_the_annotators_marked(tmp_path: Path) -> None:
    nobody = {**ROW, "text": "she said <user> shares fell ", "rationales": []}
    found = read(written(tmp_path / "r.jsonl", ROW, nobody))
    assert list(found) == [ROW["text"]]
    text = ROW["text"]
    assert [text[start:end] for start, end in found[text].passages] == ["<user>", "shares"]


def test_agreement_is_the_area_under_the_roc_curve(
    tmp_path: Path, network: ExplainedNetwork
) -> None:
    rationales = read(written(tmp_path / "r.jsonl", ROW))
    encoded = network.encode([ROW["text"], "she said"])
    assert [w.text for w in encoded[0].words] == ["she", "said", "<", "user", ">", "shares", "fell"]
    values = np.array([0.3, -1.0, 0.5, 0.1, 0.2, 2.0, 0.4])
    found = agreements(
        encoded, [WordAttributions(values), WordAttributions(np.ones(2))], rationales
    )
    wanted = roc_auc_score([0, 0, 1, 1, 1, 1, 0], values)
    assert found[0] == pytest.approx(wanted)
    assert np.isnan(found[1])  # nobody marked it


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"text": "a"}, "line 1 must be JSON with 'text'"),
        ({**ROW, "rationales": [[0, 1]]}, "0 or 1 for each of the 5 tokens"),
        ({**ROW, "rationales": [[0, 0, 2, 1, 0]]}, "0 or 1 for each of the 5 tokens"),
        ({**ROW, "rationales": [[0, 0, [1], 1, 0]]}, "0 or 1 for each of the 5 tokens"),
        ({**ROW, "post_tokens": ["she", 1, "<user>", "shares", "fell"]}, "0 or 1 for each of the"),
        ({**ROW, "post_tokens": ["she", "left", "<user>", "shares", "fell"]}, "'left' does not"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_line(
    tmp_path: Path, row: Any, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read(written(tmp_path / "r.jsonl", row))


def test_a_file_is_told_by_its_content(tmp_path: Path) -> None:
    one = pin_rationales(written(tmp_path / "r.jsonl", ROW), NO_STORE)
    other = pin_rationales(written(tmp_path / "r.jsonl", ROW, ROW), NO_STORE)
    assert one.uri == other.uri == str(tmp_path / "r.jsonl")
    assert one.fingerprint != other.fingerprint
    with pytest.raises(DataError, match="changed while the run was going on"):
        read_rationales(RationaleSettings(path=one.uri), one, NO_STORE)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="it is a named pipe"):
        pin_rationales(RationaleSettings(path=str(tmp_path / "pipe")), NO_STORE)
    with pytest.raises(DataError, match="cannot be read"):
        pin_rationales(RationaleSettings(path=str(tmp_path / "none.jsonl")), NO_STORE)


def test_identity_words_count_for_more_than_their_share(network: ExplainedNetwork) -> None:
    encoded = network.encode(["she said shares fell", "shares fell", "They said she fell"])
    terms = [Term("women", "she", "en", ()), Term("women", "of she", "en", ())]
    found = excess_of(
        encoded,
        [
            WordAttributions(np.array([-3.0, 0.5, 0.25, 0.25])),
            WordAttributions(np.ones(2)),
            WordAttributions(np.array([1.0, 1.0, np.nan, 1.0])),
        ],
        terms,
    )
    assert found[0] == pytest.approx(3 / 4 - 1 / 4)
    assert np.isnan(found[1])
