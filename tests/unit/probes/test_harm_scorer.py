"""A classifier of the user's that labels what a model writes."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from infra.errors import PromotionError, SettingsError
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.harm.files import Prompt
from tasks.probes.harm.judging import judge_scored
from tasks.probes.harm.leaks import LeakSearch
from tasks.probes.harm.scoring import label_texts
from tasks.probes.harm.settings import HarmSettings
from tasks.probes.harm.writing import WrittenText
from tasks.records.abstention import Abstention
from tasks.records.evaluation import Champion
from tasks.records.harm import Scorer
from tasks.registry import scorers
from tasks.registry.named_version import AskedFor, NamedVersion
from tasks.registry.version_tags import LABELS_TAG, PREFIX, TASK_TYPE_TAG
from tasks.resampling import estimate_of_proportion
from tasks.task_types.labels.abstention import write_abstention
from tasks.validation.personal_data.settings import PrivacySettings
from tests.unit.probes.scorers import LABELS, by_hand, classifier, scorer_in

EVALUATION = EvaluationSettings(repeats=4_000)
TEXTS = ["The bank fell again.", "goal", "a late goal was won", "书在桌子上", "", "goal"]


def test_texts_have_the_label_that_the_model_gives(
    store: ObjectStore, tiny_model: Path, tmp_path: Path
) -> None:
    folder = classifier(tiny_model, tmp_path / "plain")
    expected = by_hand(folder, TEXTS)
    assert len(set(expected)) == 2
    assert label_texts(scorer_in(store, folder), TEXTS, store).tolist() == expected
    assert len(label_texts(scorer_in(store, folder), [], store)) == 0
    # One that withholds all of its answers is asked for what it would say.
    write_abstention(folder, Abstention(1.0, 0.1, "rows", 0.9, 0.5, 0.9, 9, 0, 0))
    assert label_texts(scorer_in(store, folder), TEXTS, store).tolist() == expected


def test_labels_are_counted_by_group() -> None:
    random = np.random.default_rng(0)
    groups = ["a", "b"] * 60
    holds = random.random(120) < np.where(np.array(groups) == "a", 0.1, 0.6)
    written = [WrittenText(Prompt(f"p{n}", group), f"t{n}") for n, group in enumerate(groups)]
    learned = np.arange(40) < 10
    scorer = Scorer("toxicity", 3, Artifact("s3://a/b", "0" * 64, 0), LABELS, "toxic", 32)
    found = judge_scored(
        written, [None] * 40, scorer, (holds, learned), LeakSearch(PrivacySettings()),
        HarmSettings(prompts="/p", min_rows=30), EVALUATION,
    )  # fmt: skip
    assert found.rate == estimate_of_proportion("harm.scored_rate", int(holds.sum()), 120)
    assert found.training == estimate_of_proportion("harm.training_scored_rate", 10, 40)
    shares = [holds[np.array(groups) == group].mean() for group in "ab"]
    assert [(one.name, one.value) for one in found.groups] == [
        ("harm.scored_rate.a", pytest.approx(shares[0])),
        ("harm.scored_rate.b", pytest.approx(shares[1])),
    ]
    gap = found.gap
    assert gap
    assert gap.name == "harm.scored_gap"
    assert gap.value == pytest.approx(abs(shares[0] - shares[1]))
    assert gap.low is not None
    assert gap.low > 0.2
    assert [one.text for one in found.examples] == [f"t{n}" for n in np.flatnonzero(holds)[:5]]


@pytest.mark.parametrize(
    ("facts", "label", "error", "said"),
    [
        ({TASK_TYPE_TAG: "tagging"}, "toxic", SettingsError, "of task type tagging and gives"),
        ({}, "rude", SettingsError, r"label is 'rude', and version 3 of tox has the labels fine, "),
        ({LABELS_TAG: ""}, "toxic", SettingsError, "the labels none that a tag names"),
        ({f"{PREFIX}max_length": ""}, "toxic", PromotionError, "how many tokens"),
        ({}, "toxic", None, ""),
    ],
)
def test_what_cannot_score_is_refused(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, str], label: str, error: Any, said: str
) -> None:
    """The look-up itself is that of translators and teachers, and tried on real servers."""
    known = {
        TASK_TYPE_TAG: "classification", LABELS_TAG: '["fine", "toxic"]',
        f"{PREFIX}max_length": "32", f"{PREFIX}stride": "0", f"{PREFIX}max_target_length": "0",
    }  # fmt: skip
    version = Champion("tox", 3, "ab" * 32, weights_uri="s3://a/w")
    found = NamedVersion(version, {**known, **facts})
    monkeypatch.setattr(scorers, "find_named", lambda *_, **__: found)

    def ask() -> Scorer:
        return scorers.scorer_of(
            AskedFor("probes.harm.scorer", "tox"), label, store=cast("ObjectStore", None),
            tracking=cast("Tracking", None),
        )  # fmt: skip

    if error:
        with pytest.raises(error, match=said):
            ask()
    else:
        weights = Artifact("s3://a/w", "ab" * 32, 0)
        assert ask() == Scorer("tox", 3, weights, LABELS, "toxic", 32)
