"""Out-of-distribution texts: the file, the four scores, and how they part such from test rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from infra.errors import DataError
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.out_of_distribution.distances import (
    class_means,
    energy,
    max_softmax,
    neighbour_distances,
)
from tasks.probes.out_of_distribution.files import (
    pin_out_of_distribution_texts,
    read_out_of_distribution_texts,
)
from tasks.probes.out_of_distribution.judging import ScoredSets, judge_scores, share_answered
from tasks.probes.out_of_distribution.settings import OutOfDistributionSettings
from tasks.task_types.labels.text_features import text_features
from tasks.task_types.labels.text_logits import text_logits
from tasks.task_types.learner import learner_of
from tasks.task_types.limits import TokenLimits

EVALUATION = EvaluationSettings(repeats=4_000)
NO_STORE: Any = None


def settings(path: Path, **more: int) -> OutOfDistributionSettings:
    return OutOfDistributionSettings.model_validate({"path": str(path), **more})


def test_both_forms_of_file_are_read_and_each_text_once(tmp_path: Path) -> None:
    lines, plain = tmp_path / "ood.jsonl", tmp_path / "ood.txt"
    texts = [f"text\u2028of a\x85line {number}" for number in range(40)]
    lines.write_text("\n".join(f'{{"text": "{text}", "more": 1}}' for text in texts) + "\n\n")
    plain.write_bytes("\r\n".join([*texts, *texts]).encode())
    for path in (lines, plain):
        asked = settings(path)
        found = read_out_of_distribution_texts(
            asked, pin_out_of_distribution_texts(asked, NO_STORE), NO_STORE
        )
        assert sorted(found) == sorted(texts)
        some = settings(path, rows=30)
        fewer = read_out_of_distribution_texts(
            some, pin_out_of_distribution_texts(some, NO_STORE), NO_STORE
        )
        assert fewer == found[:30]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("no json", "line 1 of .*ood.jsonl is 'no json'; right would be"),
        ('{"text": ""}', "line 1"),
        ('{"texts": "a"}', "right would be"),
        ("\n".join('{"text": "a"}' for _ in range(50)), "has 1 distinct texts, and .* asks for 30"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "ood.jsonl").write_text(content)
    with pytest.raises(DataError, match=told):
        pin_out_of_distribution_texts(settings(tmp_path / "ood.jsonl"), NO_STORE)


def test_a_missing_or_changed_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ood.txt"
    with pytest.raises(DataError, match=r"probes\.out_of_distribution\.path: .* cannot be read"):
        pin_out_of_distribution_texts(settings(path), NO_STORE)
    path.write_text("\n".join(f"text {number}" for number in range(40)))
    pinned = pin_out_of_distribution_texts(settings(path), NO_STORE)
    path.write_text("other")
    with pytest.raises(DataError, match="changed while the run was going on"):
        read_out_of_distribution_texts(settings(path), pinned, NO_STORE)


def test_scores_of_outputs_are_those_of_torch() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 4))
    given = torch.from_numpy(logits)
    assert max_softmax(logits) == pytest.approx(1 - given.softmax(dim=1).amax(dim=1).numpy())
    assert energy(logits) == pytest.approx(-given.logsumexp(dim=1).numpy())


def test_distances_are_those_of_scipy_and_of_a_loop() -> None:
    random = np.random.default_rng(1)
    known, asked = random.normal(size=(120, 6)), random.normal(size=(30, 6))
    truth = random.integers(0, 3, 120)
    fitted = class_means(known, truth)
    whole = cdist(asked, fitted.means, "mahalanobis", VI=fitted.precision).min(axis=1) ** 2
    assert fitted.distances(asked) == pytest.approx(whole)
    assert fitted.means[1] == pytest.approx(known[truth == 1].mean(axis=0))
    near = [one / np.linalg.norm(one) for one in known]
    by_hand = [
        sorted(float(np.linalg.norm(row / np.linalg.norm(row) - one)) for one in near)[4]
        for row in asked
    ]
    assert neighbour_distances(known, asked, 5) == pytest.approx(by_hand)
    farthest = neighbour_distances(known[:3], asked, 5)
    assert farthest == pytest.approx(neighbour_distances(known[:3], asked, 3))


def test_areas_and_shares_are_those_of_a_count() -> None:
    random = np.random.default_rng(2)
    scores = ScoredSets(
        random.normal(0, 1, 400), random.normal(0, 1, 300), random.normal(1, 1, 200)
    )
    same = ScoredSets(random.normal(0, 1, 400), random.normal(0, 1, 300), random.normal(0, 1, 200))
    ids = [f"row {number}" for number in range(300)]
    found, none = judge_scores({"energy": scores, "msp": same}, ids, None, EVALUATION)
    is_ood = np.arange(500) >= 300
    both = np.concatenate([scores.test, scores.ood])
    assert found.auroc.name == "out_of_distribution.energy.auroc"
    assert found.auroc.value == pytest.approx(roc_auc_score(is_ood, both))
    assert (scores.validation <= found.threshold).mean() >= 0.95
    assert found.flagged.value == pytest.approx((scores.ood > found.threshold).mean())
    assert found.false_positive_rate.value == pytest.approx((scores.test > found.threshold).mean())
    assert found.auroc.low is not None
    assert found.auroc.low > 0.6
    assert none.auroc.low is not None
    assert none.auroc.high is not None
    assert none.auroc.low < 0.5 < none.auroc.high
    clustered, _ = judge_scores(
        {"energy": scores, "msp": same}, ids, [f"author {n // 10}" for n in range(300)], EVALUATION
    )
    assert "clusters" in clustered.auroc.method


def test_the_share_that_is_answered_has_its_exact_interval() -> None:
    found = share_answered("out_of_distribution.answered", np.repeat([1.0, 0.0], 20), EVALUATION)
    assert (found.value, found.n) == (0.5, 40)
    assert found.method.startswith("exact")


def test_embeddings_are_what_the_last_layer_reads(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    labels, texts = ("a", "b", "c"), ["a good film", "", "bad", "a match was late " * 4, "bad"]
    learner_of("classification", labels, TokenLimits(16)).load_model(tiny_model).save_pretrained(
        tmp_path
    )
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path)
    logits, features = text_features(tmp_path, texts, max_length=16)
    assert logits == pytest.approx(text_logits(tmp_path, texts, max_length=16)[0], abs=1e-5)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    head = [one for one in model.modules() if isinstance(one, torch.nn.Linear)][-1]
    with torch.no_grad():
        again = head(torch.from_numpy(features).float()).numpy()
    assert again == pytest.approx(logits, abs=1e-4)
    assert features[2] == pytest.approx(features[4], abs=1e-6)
