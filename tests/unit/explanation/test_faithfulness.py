"""Whether what is measured tells an explanation that is of the model from one that is not."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tasks.evaluation.settings import EvaluationSettings
from tasks.explanation.explaining import explain_rows
from tasks.explanation.faithfulness import count_of, in_order, measure_faithfulness
from tasks.explanation.intervals import ExplainedRows
from tasks.explanation.methods import RANDOM, WordAttributions, attribute
from tasks.explanation.network import ExplainedNetwork
from tasks.explanation.randomisation import randomised, rank_correlations
from tasks.explanation.readings import reading_of
from tasks.explanation.settings import ExplanationSettings
from tasks.records.explanation import ExplainedMethod, Explanation
from tests.unit.explanation.conftest import LABELS, SHORTCUT, shortcut_texts

ROWS = shortcut_texts(60, seed=21)
EVALUATION = EvaluationSettings(repeats=4_000)
SETTINGS = ExplanationSettings(rows=60, identity_attributes=("gender",))


def table() -> pa.Table:
    return pa.table(
        {
            "row_id": [f"{row:064x}" for row in range(len(ROWS))],
            "text": [text for text, _ in ROWS],
            "author": [("woman", "man")[row % 3 == 0] for row in range(len(ROWS))],
        }
    )


@pytest.fixture(scope="module")
def explained(network: ExplainedNetwork) -> Explanation:
    return explain_rows(network, table(), ("text",), ("author",), SETTINGS, EVALUATION)


def method(explained: Explanation, name: str) -> ExplainedMethod:
    return next(one for one in explained.methods if one.method == name)


def number(explained: Explanation, name: str) -> tuple[float, float]:
    found = next(one for one in explained.estimates if one.name == f"explanation.{name}")
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_methods_of_the_model_are_told_from_words_by_chance(explained: Explanation) -> None:
    for name in ("integrated_gradients", "occlusion"):
        assert method(explained, name).reading.startswith("faithful")
        assert number(explained, f"{name}.comprehensiveness_gain")[0] > 0.1
        assert number(explained, f"{name}.sufficiency_gain")[0] > 0.1
        assert number(explained, f"{name}.randomisation_correlation")[1] < 0.5
    assert "chance" in method(explained, RANDOM).reading


def test_an_attribution_by_chance_is_told_as_such_by_its_intervals(
    network: ExplainedNetwork,
) -> None:
    """The planted fault: numbers that have nothing to do with the model."""
    encoded = network.encode([text for text, _ in ROWS])
    targets = network.answers([one.ids for one in encoded])
    draw = np.random.default_rng(7)
    made_up = [WordAttributions(draw.normal(size=len(one.words))) for one in encoded]
    real = attribute(network, encoded, targets, "occlusion")
    chance = attribute(network, encoded, targets, RANDOM)
    false, true, base = measure_faithfulness(
        network, encoded, targets, [made_up, real, chance], (0.1, 0.3)
    )
    rows = ExplainedRows([f"{row:06d}" for row in range(len(ROWS))], None, EVALUATION)
    readings = []
    for one in (false, true):
        estimates = [
            rows.mean("explanation.m.comprehensiveness_gain",
                      one.comprehensiveness - base.comprehensiveness, (-2, 2)),
            rows.mean("explanation.m.sufficiency_gain",
                      base.sufficiency - one.sufficiency, (-2, 2)),
        ]  # fmt: skip
        readings.append(reading_of(estimates))
    assert readings[0] == "not told from words by chance"
    assert readings[1].startswith("faithful")


def test_the_shortcut_leads_the_words_of_its_label(explained: Explanation) -> None:
    overall = {one.label: one for one in explained.words if not one.group}
    for label in LABELS:
        assert overall[label].words[0].word == SHORTCUT[label]
        assert overall[label].words[0].rows == 30
    by_group = [one for one in explained.words if one.group == "author: woman"]
    assert {one.words[0].word for one in by_group} == set(SHORTCUT.values())
    assert sum(one.rows for one in by_group) == 40


def test_the_same_rows_give_the_same_record(
    network: ExplainedNetwork, explained: Explanation
) -> None:
    assert explain_rows(network, table(), ("text",), ("author",), SETTINGS, EVALUATION) == explained


def test_comprehensiveness_and_sufficiency_by_their_definition(network: ExplainedNetwork) -> None:
    encoded = network.encode([ROWS[0][0], "bank"])
    targets = network.answers([one.ids for one in encoded])
    found = attribute(network, encoded, targets, "occlusion")
    (one,) = measure_faithfulness(network, encoded, targets, [found], (0.2, 0.5))
    text, ids = encoded[0], encoded[0].ids

    def probability(rows: tuple[int, ...]) -> float:
        outputs = network.outputs([rows])[0]
        return float(np.exp(outputs[targets[0]]) / np.exp(outputs).sum())

    order = in_order(text, found[0])
    falls, alone = [], []
    for share in (0.2, 0.5):
        strongest = set(order[: count_of(share, len(order))])
        gone = [i for i, w in zip(ids, text.word_of, strict=True) if w not in strongest]
        kept = [i for i, w in zip(ids, text.word_of, strict=True) if w < 0 or w in strongest]
        falls.append(probability(ids) - probability(tuple(gone)))
        alone.append(probability(ids) - probability(tuple(kept)))
    assert one.comprehensiveness[0] == pytest.approx(np.mean(falls), abs=1e-5)
    assert one.sufficiency[0] == pytest.approx(np.mean(alone), abs=1e-5)
    assert np.isnan(one.comprehensiveness[1])  # of one word nothing can be left


@pytest.mark.parametrize(
    ("share", "words", "count"), [(0.1, 3, 1), (0.5, 3, 2), (0.99, 3, 2), (0.2, 30, 6)]
)
def test_a_share_is_one_word_at_least_and_never_all(share: float, words: int, count: int) -> None:
    assert count_of(share, words) == count


def test_a_model_by_chance_is_of_the_seed_and_leaves_the_model_alone(
    network: ExplainedNetwork,
) -> None:
    (one,) = network.encode([ROWS[0][0]])
    before = network.outputs([one.ids])
    first, again, other = (randomised(network, seed) for seed in (1, 1, 2))
    assert (first.outputs([one.ids]) == again.outputs([one.ids])).all()
    assert (first.outputs([one.ids]) != other.outputs([one.ids])).any()
    assert (network.outputs([one.ids]) == before).all()


def test_rank_correlation_is_of_strength_whatever_its_sign(network: ExplainedNetwork) -> None:
    encoded = network.encode(["shares fell out late she said", "bank film"])
    values = np.arange(6.0)
    one = [WordAttributions(values), WordAttributions(np.ones(2))]
    for other, wanted in ((-values, 1.0), (values[::-1], -1.0)):
        found = rank_correlations(encoded, one, [WordAttributions(other), one[1]])
        assert found[0] == pytest.approx(wanted)
        assert np.isnan(found[1])  # of two words ranks say nothing


def test_too_few_rows_or_clusters_are_undetermined() -> None:
    rows = ExplainedRows([str(row) for row in range(30)], None, EVALUATION)
    values = np.full(30, 0.5)
    assert rows.mean("explanation.x", values, (-1, 1)).value == 0.5
    values[:15] = np.nan
    few = rows.mean("explanation.x", values, (-1, 1), "others have no rationale")
    assert few.value is None
    assert few.reason == (
        "15 rows are too few for an interval; 20 would do (others have no rationale)"
    )
    clustered = replace(rows, clusters=[str(row % 4) for row in range(30)])
    assert "4 clusters" in clustered.mean("explanation.x", np.ones(30), (-1, 1)).reason


def test_an_interval_by_cluster_is_wider_where_rows_of_one_are_alike() -> None:
    values = np.repeat(np.random.default_rng(0).random(20), 5)
    ids, clusters = [f"{n:03d}" for n in range(100)], [str(n // 5) for n in range(100)]
    spans = []
    for drawn in (None, clusters):
        one = ExplainedRows(ids, drawn, EVALUATION).mean("explanation.x", values, None)
        assert one.low is not None
        assert one.high is not None
        spans.append(one.high - one.low)
    assert spans[1] > 1.5 * spans[0]
