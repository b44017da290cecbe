"""What a model says of the same text about somebody else, against brute force."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from infra.errors import SettingsError
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.counterfactuals import (
    FLIPS_SHOWN,
    Family,
    Pair,
    families_of,
    judge_family,
    probe_families,
)
from tasks.fairness.word_files import pin_word_files
from tasks.records.fairness import CounterfactualFamily, Flip
from tasks.resampling import exact_ladder

QUICK = CounterfactualSettings(repeats=4_000, min_rows=5)
LABELS = ("no", "yes")
HEAD = "slot,group,term,language,not_in,source\n"


def ids_of(texts: Sequence[str]) -> list[str]:
    return [hashlib.sha256(f"{n}{text}".encode()).hexdigest() for n, text in enumerate(texts)]


def families(texts: Sequence[str], chosen: CounterfactualSettings) -> list[Family]:
    return list(families_of(texts, ids_of(texts), chosen))


class Sexist:
    """Says yes where the text is about a man, the surer the longer it is; counts what it reads."""

    def __init__(self, max_words: int = 1_000) -> None:
        self.asked: list[str] = []
        self.max_words = max_words

    def words(self, text: str) -> list[str]:
        return text.split()[: self.max_words]

    def score(self, texts: list[str]) -> NDArray[np.float64]:
        self.asked += texts
        man = np.array([bool({"he", "He"} & set(self.words(text))) for text in texts])
        sure = np.array([0.6 + 0.3 * min(len(text), 100) / 100 for text in texts])
        yes = np.where(man, sure, 1 - sure)
        return np.stack([1 - yes, yes], axis=1)

    def read(self, texts: list[str]) -> list[bytes]:
        return [" ".join(self.words(text)).encode() for text in texts]


def probe(
    texts: Sequence[str], model: Sexist, chosen: CounterfactualSettings, *, known: bool = False
) -> tuple[tuple[CounterfactualFamily, ...], tuple[Flip, ...]]:
    scored = {text: model.score([text])[0] for text in texts} if known else {}
    model.asked.clear()
    found = families(texts, chosen)
    return probe_families(found, scored, model.score, model.read, LABELS, chosen)


GENDER = QUICK.model_copy(update={"swaps": ("gendered_words",)})
TEXTS = [f"{'He' if n % 3 else 'She'} saw the film number {n}" for n in range(60)]
NEUTRAL = [f"The bank raised rates by {n}" for n in range(40)]


def test_a_model_that_goes_by_gender_flips_on_every_row_that_names_one() -> None:
    (family,), flips = probe([*TEXTS, *NEUTRAL], Sexist(), GENDER)
    assert (family.name, family.rows, family.pairs) == ("gendered_words", 60, 60)
    assert family.flip_rate.value == 1.0
    assert family.flip_rate.low is not None
    assert family.flip_rate.low > 0.9
    assert family.score_shift.value == family.largest_shift.value
    assert family.score_shift.value is not None
    assert family.score_shift.value > 0.2
    assert len(flips) == FLIPS_SHOWN
    assert [flip.shift for flip in flips] == sorted((f.shift for f in flips), reverse=True)
    assert {(flip.before, flip.after) for flip in flips} <= {("no", "yes"), ("yes", "no")}
    for flip in flips:
        assert flip.text_before != flip.text_after


def test_each_distinct_text_is_scored_once_and_none_that_the_evaluation_scored() -> None:
    doubled = [*TEXTS, *TEXTS]
    model = Sexist()
    probe(doubled, model, GENDER)
    # Swapped, "He saw film 4" is new: the film's number is another's in each text.
    assert len(model.asked) == len(set(model.asked)) == 2 * len(TEXTS)
    probe(doubled, model, GENDER, known=True)
    assert set(model.asked).isdisjoint(TEXTS)
    assert len(model.asked) == len(set(model.asked)) == len(TEXTS)


def test_a_change_behind_the_cut_is_left_out() -> None:
    late = [f"the bank raised all of its rates again {n} as he said" for n in range(50)]
    model = Sexist(max_words=5)
    (family,), _ = probe([*TEXTS, *late], model, GENDER)
    assert (family.rows, family.pairs) == (60, 60)
    assert not any(text.endswith("she said") for text in model.asked)


def test_nothing_to_swap_is_no_pair_and_undetermined() -> None:
    model = Sexist()
    (family,), flips = probe(["", *NEUTRAL], model, GENDER)
    assert (family.rows, family.pairs, model.asked, flips) == (0, 0, [], ())
    for one in (family.flip_rate, family.score_shift, family.largest_shift):
        assert one.value is None
        assert one.reason == "0 rows have a word to swap; counterfactuals.min_rows is 5"


def test_fewer_rows_than_asked_are_undetermined() -> None:
    strict = GENDER.model_copy(update={"min_rows": 61})
    (family,), _ = probe(TEXTS, Sexist(), strict)
    assert family.rows == 60
    assert family.flip_rate.value is None
    assert "60 rows" in family.flip_rate.reason


def test_no_test_row_at_all() -> None:
    (family,), _ = probe([], Sexist(), GENDER)
    assert family.rows == 0


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0, 20.0])
def test_the_lists_share_the_texts_that_may_be_scored(share: float) -> None:
    chosen = QUICK.model_copy(
        update={"texts_per_row": share, "swaps": ("gendered_words", "religion", "names_by_race")}
    )
    texts = [f"He and Emily, a Muslim, saw film {n}" for n in range(60)]
    found = families(texts, chosen)
    for family in found:
        assert len(family.pairs) <= share * len(texts) / 3
        others = 5 if family.name == "religion" else 1
        assert len(family.pairs) == others * len({pair.row for pair in family.pairs})
    if share >= 20:
        assert [len(family.pairs) for family in found] == [60, 300, 60]


def test_the_choice_of_rows_does_not_depend_on_their_order() -> None:
    chosen = GENDER.model_copy(update={"texts_per_row": 0.3})
    ids = ids_of(TEXTS)
    (one,) = families_of(TEXTS, ids, chosen)
    (other,) = families_of(TEXTS[::-1], ids[::-1], chosen)
    assert len(one.pairs) == 18
    assert [(p.name, p.changed) for p in one.pairs] == [(p.name, p.changed) for p in other.pairs]


def test_templates_are_a_family_of_their_own_and_each_group_stands_beside_the_first() -> None:
    chosen = QUICK.model_copy(update={"swaps": (), "templates": ("gender", "religion")})
    (gender, religion), _ = probe([], Sexist(), chosen)
    assert (gender.name, religion.name) == ("templates_gender", "templates_religion")
    assert gender.rows == gender.pairs == 52
    assert religion.pairs == 4 * religion.rows
    assert gender.flip_rate.value
    assert religion.flip_rate.value == 0
    assert religion.flip_rate.high is not None
    assert religion.flip_rate.high < 0.1


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.integers(0, 30), min_size=4, max_size=120),
    labels=st.integers(2, 4),
    seed=st.integers(0, 1_000),
)
def test_the_numbers_are_those_of_brute_force(rows: list[int], labels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    before, after = random.dirichlet(np.ones(labels), (2, len(rows)))
    pairs = tuple(Pair(row, str(row), f"a{n}", f"b{n}", 0) for n, row in enumerate(rows))
    names = [str(label) for label in range(labels)]
    family, flips = judge_family(Family("x", "y", pairs), before, after, names, QUICK)
    flipped: dict[int, bool] = {}
    shifts: dict[int, list[float]] = {}
    for row, one, other in zip(rows, before.tolist(), after.tolist(), strict=True):
        said = one.index(max(one))
        flipped[row] = flipped.get(row, False) or other.index(max(other)) != said
        shifts.setdefault(row, []).append(abs(one[said] - other[said]))
    assert (family.rows, family.pairs) == (len(flipped), len(rows))
    if len(flipped) < QUICK.min_rows:
        assert family.flip_rate.value is None
        return
    hits = sum(flipped.values())
    assert family.flip_rate.value == hits / len(flipped)
    assert family.flip_rate.ladder == exact_ladder(hits, len(flipped))
    means = [sum(found) / len(found) for found in shifts.values()]
    assert family.score_shift.value == pytest.approx(sum(means) / len(means))
    most = [max(found) for found in shifts.values()]
    assert family.largest_shift.value == pytest.approx(sum(most) / len(most))
    assert len(flips) <= FLIPS_SHOWN


def test_the_interval_of_a_shift_covers_the_truth_at_its_rate() -> None:
    """Shifts of Beta(2, 6), whose mean is 1/4, in 150 draws of 60 rows."""
    random = np.random.default_rng(0)
    held = 0
    pairs = tuple(Pair(row, str(row), "a", "b", 0) for row in range(60))
    for _ in range(150):
        shift = random.beta(2, 6, 60)
        before = np.tile([0.0, 1.0], (60, 1))
        after = np.stack([shift, 1 - shift], axis=1)
        family, _ = judge_family(Family("x", "y", pairs), before, after, LABELS, QUICK)
        low, high = family.score_shift.ladder[0]
        held += low <= 0.25 <= high
    assert held >= 0.93 * 150


@pytest.mark.parametrize(("hits", "rows"), [(0, 8), (3, 8), (8, 8)])
def test_shifts_of_nothing_and_everything_have_the_intervals_of_a_share(
    hits: int, rows: int
) -> None:
    chosen = QUICK.model_copy(update={"repeats": 40_000})
    pairs = tuple(Pair(row, str(row), "a", "b", 0) for row in range(rows))
    before = np.tile([0.0, 1.0], (rows, 1))
    after = np.where(np.arange(rows)[:, None] < hits, [1.0, 0.0], before)
    family, flips = judge_family(Family("x", "y", pairs), before, after, LABELS, chosen)
    exact = np.array(exact_ladder(hits, rows))
    for one in (family.score_shift, family.largest_shift):
        assert (one.value, one.n) == (hits / rows, rows)
        assert np.array(one.ladder)[:4] == pytest.approx(exact[:4], abs=0.015)
    assert family.score_shift.name == "counterfactual.x.score_shift"
    assert [(f.row_id, f.before, f.after, f.shift) for f in flips] == [
        (str(row), "yes", "no", 1.0) for row in range(min(hits, FLIPS_SHOWN))
    ]


def test_as_many_rows_as_are_asked_for_are_enough() -> None:
    for least, is_told in ((60, True), (61, False)):
        (family,), _ = probe(TEXTS, Sexist(), GENDER.model_copy(update={"min_rows": least}))
        for one in (family.flip_rate, family.score_shift, family.largest_shift):
            assert (one.value is not None) == is_told
            assert one.n == 60


def test_a_list_takes_as_many_texts_as_its_share_and_no_more() -> None:
    """Of 60 texts, shared by two lists; a row that would exceed the share ends the list."""
    both = {"swaps": ("gendered_words", "religion"), "texts_per_row": 0.5}
    texts = [f"He, a Muslim, saw film {n}" for n in range(60)]
    found = families(texts, QUICK.model_copy(update=both))
    assert [len(family.pairs) for family in found] == [15, 15]
    found = families(texts, QUICK.model_copy(update=both | {"texts_per_row": 0.47}))
    assert [len(family.pairs) for family in found] == [14, 10]
    order = sorted(range(60), key=ids_of(texts).__getitem__)
    assert [pair.row for pair in found[0].pairs] == order[:14]
    assert {pair.name for pair in found[0].pairs} == {ids_of(texts)[row] for row in order[:14]}


@pytest.mark.parametrize(
    ("before", "after"), [(0, 50), (59, 50), (60, 50), (61, 50), (200, 119), (200, 120), (200, 121)]
)
def test_an_excerpt_is_cut_where_there_is_more(before: int, after: int) -> None:
    """Sixty characters before the first changed one, and 120 from it on."""
    left, right = "a" * before, "c" * after
    pairs = tuple(Pair(k, str(k), f"{left}{right}", f"{left}x{right}", before) for k in range(5))
    said, says = np.tile([0.1, 0.9], (5, 1)), np.tile([0.8, 0.2], (5, 1))
    _, flips = judge_family(Family("x", "y", pairs), said, says, LABELS, QUICK)
    expected = f"{'…' if before > 60 else ''}{left[-60:]}{right[:120]}{'…' if after > 120 else ''}"
    assert flips[0].text_before == expected


def test_an_excerpt_shows_the_first_changed_word() -> None:
    text = "word " * 200 + "and he said" + " word" * 200
    pairs = tuple(
        Pair(row, str(row), text, text.replace("he", "she"), text.index("he")) for row in range(5)
    )
    before, after = np.tile([0.1, 0.9], (5, 1)), np.tile([0.8, 0.2], (5, 1))
    _, flips = judge_family(Family("x", "y", pairs), before, after, LABELS, QUICK)
    assert "and he said" in flips[0].text_before
    assert "and she said" in flips[0].text_after
    assert flips[0].text_before.startswith("…")
    assert len(flips[0].text_before) < 200


def test_settings_name_shipped_lists_or_files_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"'nothing' is no swap list; shipped are \['age'"):
        CounterfactualSettings(swaps=("nothing",))
    with pytest.raises(ValidationError, match=r"'no\.yaml' is no template file; shipped are"):
        CounterfactualSettings(templates=("no.yaml",))
    own = tmp_path / "gendered_words.csv"
    own.write_text(HEAD)
    with pytest.raises(ValidationError, match="names a swap list twice"):
        CounterfactualSettings(swaps=("gendered_words", str(own)))


def test_a_wrong_file_of_a_line_is_known_before_training(tmp_path: Path) -> None:
    own = tmp_path / "teams.csv"
    own.write_text(HEAD + "team,one,reds,en,,own\n")
    chosen = CounterfactualSettings(swaps=(str(own),))
    assert chosen.families == ("teams",)
    with pytest.raises(SettingsError, match=r"teams has 1 group\(s\); it takes two to swap"):
        pin_word_files(chosen)
    own.write_text(HEAD + "team,one,reds,en,,own\nteam,two,blues,en,,own\n")
    (before,) = pin_word_files(chosen)
    own.write_text(HEAD + "team,one,reds,en,,own\nteam,two,whites,en,,own\n")
    (after,) = pin_word_files(chosen)
    assert before.fingerprint != after.fingerprint
    (family,) = families(["the reds won"] * 3, chosen)
    assert [pair.changed for pair in family.pairs] == ["the whites won"] * 3
