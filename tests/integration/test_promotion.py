"""Promotion, the ledger and decisions by hand on a real registry and a real store."""

import hashlib
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.errors import IntegrityError, PromotionError, TrackingError
from infra.settings import Settings
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.records.evaluation import Champion, Claim, Comparison, Scores
from tasks.records.registry import Decision, Judgement, LedgerEntry, Report, Version
from tasks.registry.anchor import anchor_for
from tasks.registry.champion import champion_for, reference_for
from tasks.registry.ledger import append, now, production_at, read_ledger
from tasks.registry.manual_promotion import override_promotion_of, roll_back_line
from tasks.registry.promotion import promote_version
from tasks.registry.version_tags import DATA_TAG, DATA_URI_TAG, MANIFEST_TAG, WEIGHTS_TAG
from tasks.verdicts import GateResult, Verdict, exact
from tests.registered import add_version, judged_by_hand

SAME = "staging.same_predictions"


def gate(metric: str, verdict: Verdict) -> GateResult:
    return GateResult(metric, "at least 1", 1.0, 1.0, 1.0, 0.95, 64, verdict, "as seen")


def judgement(verdict: Verdict = Verdict.PASS, metric: str = "quality.macro_f1") -> Judgement:
    return Judgement((gate(metric, verdict), gate(SAME, Verdict.PASS)), verdict)


def report(name: str = "a") -> Report:
    html, card = (Artifact(f"s3://b/{name}.{kind}", f"{name}-{kind}", 1) for kind in "hc")
    return Report(html, card, f"http://mlflow/{name}")


class Line:
    """A line whose versions are a few bytes each: aliases ask for no more."""

    def __init__(self, name: str, folder: Path, store: ObjectStore, tracking: Tracking) -> None:
        self.name, self.folder, self.store, self.tracking = name, folder, store, tracking
        tracking._client.create_registered_model(name)

    def add(self, weights: str, model_id: str | None = None, data: str = "") -> Version:
        tags = {WEIGHTS_TAG: weights}
        tags |= {DATA_TAG: data, DATA_URI_TAG: f"s3://b/{data}"} if data else {}
        if model_id:
            manifest = str(self.tracking._client.get_logged_model(model_id).tags[MANIFEST_TAG])
            made = self.tracking._client.create_model_version(
                self.name, f"models:/{model_id}", tags={**tags, MANIFEST_TAG: manifest},
                model_id=model_id,
            )  # fmt: skip
            number = int(made.version)
        else:
            number, manifest = add_version(self.name, self.folder, tags, self.store, self.tracking)
        url = self.tracking.version_url(self.name, number)
        return Version(self.name, number, weights, manifest, run_id="", url=url)

    def champion(self, weights: str) -> Champion | None:
        return champion_for(self.name, weights, store=self.store, tracking=self.tracking)

    def promote(
        self,
        version: Version,
        judged: Judgement | None = None,
        champion: Champion | str | None = "look up",
        written: Report | None = None,
        scores: Scores | None = None,
    ) -> Decision:
        found = self.champion(version.weights_sha256) if champion == "look up" else champion
        assert not isinstance(found, str)
        made = judged_by_hand(
            version, judged or judgement(), written or report(), found, scores=scores,
            store=self.store, tracking=self.tracking,
        )  # fmt: skip
        return promote_version(made, store=self.store, tracking=self.tracking)

    @property
    def aliases(self) -> dict[str, int]:
        return self.tracking.aliases(self.name)

    @property
    def ledger(self) -> tuple[LedgerEntry, ...]:
        return read_ledger(self.store, self.name)


@pytest.fixture
def line(
    request: pytest.FixtureRequest, tmp_path: Path, store: ObjectStore, tracking: Tracking
) -> Line:
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    return Line(f"line-{name}", tmp_path, store, tracking)


def test_a_first_version_that_passes_is_promoted(line: Line) -> None:
    first = line.add("w1")
    before = datetime.now(UTC)
    decision = line.promote(first)
    assert decision.action == "promoted"
    assert line.aliases == {"production": 1, "staging": 1}
    (entry,) = line.ledger
    assert (entry.from_version, entry.to_version, entry.by) == (None, 1, "policy")
    assert entry.evidence["weights"] == "w1"
    assert {"judgement", "report", "card"} <= set(entry.evidence)
    tags = line.tracking.version_tags(line.name, 1)
    assert tags["assayline.ledger"] == decision.ledger_uri
    assert tags["assayline.verdict"] == "pass"
    assert production_at(line.ledger, before) is None
    assert production_at(line.ledger, datetime.now(UTC) + timedelta(seconds=1)) == 1


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNDETERMINED])
def test_what_does_not_pass_leaves_production_untouched(line: Line, verdict: Verdict) -> None:
    line.promote(line.add("w1"))
    before = line.aliases
    decision = line.promote(line.add("w2"), judgement(verdict))
    assert decision.action == "refused"
    assert f"quality.macro_f1 {verdict}" in decision.reason
    assert line.aliases == before
    assert [e.action for e in line.ledger] == ["promoted", "refused"]
    assert line.ledger[1].to_version == line.ledger[1].from_version == 1
    assert line.tracking.version_tags(line.name, 2)["assayline.verdict"] == verdict.value


def test_evidence_without_staging_promotes_nothing(line: Line) -> None:
    unserved = Judgement((gate("quality.macro_f1", Verdict.PASS),), Verdict.PASS)
    assert line.promote(line.add("w1"), unserved).action == "refused"
    assert line.aliases == {}


def test_the_old_production_becomes_previous(line: Line) -> None:
    for weights in ("w1", "w2", "w3"):
        assert line.promote(line.add(weights)).action == "promoted"
    assert line.aliases == {"production": 3, "previous": 2, "staging": 3}
    assert len(line.ledger) == 3


def test_a_repeated_run_has_the_same_champion_and_the_same_decision(line: Line) -> None:
    first, second = line.add("w1"), line.add("w2")
    assert line.champion("w1") is None
    line.promote(first)
    assert line.champion("w1") is None
    champion = line.champion("w2")
    assert champion == Champion(line.name, 1, "w1")
    decision = line.promote(second)
    assert line.champion("w2") == champion
    assert line.promote(second) == decision
    assert len(line.ledger) == 2


def test_the_champion_is_looked_for_past_versions_of_the_same_weights(line: Line) -> None:
    line.promote(line.add("w1"))
    line.promote(line.add("w2"))
    line.promote(line.add("w2"), written=report("new evidence"))  # the same weights once more
    assert line.aliases["production"] == 3
    assert line.champion("w2") == Champion(line.name, 1, "w1")
    assert line.champion("w9") == Champion(line.name, 3, "w2")


def test_a_production_that_moved_meanwhile_stops_the_promotion(line: Line) -> None:
    line.promote(line.add("w1"))
    late = line.add("w3")
    champion = line.champion("w3")
    line.promote(line.add("w2"))
    with pytest.raises(PromotionError, match="compared with version 1, and by now version 3"):
        line.promote(late, champion=champion)
    assert line.aliases["production"] == 3
    assert len(line.ledger) == 2


def test_a_champion_that_the_judgement_overlooked_stops_the_promotion(line: Line) -> None:
    from tasks.registry.policy import NO_CHAMPION

    line.promote(line.add("w1"))
    blind = replace(judgement(), notes=(NO_CHAMPION,))
    assert line.promote(line.add("w2"), blind).action == "refused"
    assert line.aliases["production"] == 1


def test_a_version_of_other_weights_than_judged_is_not_promoted(line: Line) -> None:
    version = replace(line.add("w1"), weights_sha256="w2")
    with pytest.raises(PromotionError, match="those with w2 were judged"):
        line.promote(version)


def test_an_unreachable_registry_is_never_taken_for_no_champion(store: ObjectStore) -> None:
    gone = Tracking(Settings(mlflow_url="http://127.0.0.1:9", prefect_url=None))
    began = time.monotonic()
    with pytest.raises(TrackingError, match="does not answer; start it"):
        champion_for("topics", "w", store=store, tracking=gone)
    assert time.monotonic() - began < 15


# The anchor


def held_against(anchor: int | None, verdict: Verdict = Verdict.UNDETERMINED) -> Scores:
    """Scores of a candidate that is, or is not, shown to be better than the anchor."""
    gain = exact("anchor.macro_f1_gain", 0.1, 600)
    claims = (Claim("superiority", 0.0, verdict, "", None),)
    compared = (Comparison("anchor", "macro_f1", gain, "", None, None, claims),)
    return Scores(
        artifact=Artifact("s3://b/scores", "0" * 64, 1), labels=("a", "b"), rows=600,
        estimates=(gain,), confusion=(), calibration=(), champion_version=anchor,
        champion_note="", comparisons=compared if anchor else (), anchor_version=anchor,
    )  # fmt: skip


def test_the_anchor_stays_until_a_version_is_shown_to_be_better(line: Line) -> None:
    both = {"store": line.store, "tracking": line.tracking}
    assert anchor_for(line.name, "w1", **both) is None
    promoted = [Verdict.UNDETERMINED, Verdict.UNDETERMINED, Verdict.PASS, Verdict.UNDETERMINED]
    anchors = []
    for number, verdict in enumerate(promoted, start=1):
        version = line.add(f"w{number}")
        anchor = anchor_for(line.name, f"w{number}", **both)
        line.promote(version, scores=held_against(anchor.version if anchor else None, verdict))
        anchors.append(line.ledger[-1].anchor_version)
        # The repeated run asks for the same one as before.
        assert anchor_for(line.name, f"w{number}", **both) == anchor
    assert anchors == [1, 1, 3, 3]
    assert line.aliases["production"] == 4
    held = anchor_for(line.name, "w5", **both)
    assert held == Champion(line.name, 3, "w3")
    assert held.manifest_sha256 == line.tracking.version_tags(line.name, 3)[MANIFEST_TAG]
    line.promote(line.add("w5"), scores=held_against(3))
    line.tracking._client.delete_model_version(line.name, "3")
    assert anchor_for(line.name, "w6", **both) == Champion(line.name, 3, "")


def test_an_anchor_that_moved_meanwhile_stops_the_promotion(line: Line) -> None:
    line.promote(line.add("w1"))
    late = line.add("w2")
    for seen in (7, None):
        with pytest.raises(PromotionError, match=r"held against the anchor .* by now it is 1"):
            line.promote(late, scores=held_against(seen))
    assert line.aliases["production"] == 1


def test_a_changed_tag_of_the_rows_is_no_way_past_the_comparison(line: Line) -> None:
    """The ledger knows which rows a version learned, also of one without a provenance record."""
    line.promote(line.add("w1", data="rows"))
    champion = line.champion("w2")
    assert champion is not None
    assert (champion.data_sha256, champion.data_uri) == ("rows", "s3://b/rows")
    line.tracking.set_tags(line.name, 1, {DATA_TAG: "others"})
    with pytest.raises(IntegrityError, match="with the data rows"):
        line.champion("w2")


# Ledger


def faults_of(line: Line) -> str:
    with pytest.raises(PromotionError, match="is not what was written") as told:
        _ = line.ledger
    return str(told.value)


def test_a_changed_entry_a_missing_one_and_a_forged_one_are_found(line: Line) -> None:
    for weights in ("w1", "w2", "w3"):
        line.promote(line.add(weights))
    uris = line.store.list(line.store.uri("ledger", line.name))
    middle = line.store.get_bytes(uris[1])
    line.store.put_bytes(uris[1], middle.replace(b'"policy"', b'"nobody"'))
    faults = faults_of(line)
    assert f"{uris[1]} was changed after it was written" in faults
    assert f"{uris[2]} does not follow" in faults
    with pytest.raises(PromotionError, match="restore the objects"):
        line.promote(line.add("w4"), champion=None)
    line.store.delete(uris[1])
    assert "entry 2 belongs" in faults_of(line)
    line.store.put_bytes(uris[1], b"{}")
    assert "no ledger entry" in faults_of(line)
    line.store.put_bytes(uris[1], middle)
    assert len(line.ledger) == 3
    assert line.aliases["production"] == 3


def test_removed_newest_entries_are_found_through_the_registry(line: Line) -> None:
    line.promote(line.add("w1"))
    line.promote(line.add("w2"))
    line.store.delete(line.store.list(line.store.uri("ledger", line.name))[1])
    assert len(line.ledger) == 1
    with pytest.raises(PromotionError, match="is missing, which the registry knows as entry 2"):
        line.champion("w3")


def test_of_two_entries_at_the_same_moment_the_later_one_is_taken_back(line: Line) -> None:
    line.promote(line.add("w1"))
    comparator = LedgerEntry(line.name, "promoted", 1, 2, 2, None, "", {}, "policy", now(), "")
    with pytest.raises(PromotionError, match="at the same moment"):
        append(line.store, line.tracking, comparator, None)
    assert len(line.ledger) == 1


# By hand


@pytest.fixture(scope="module")
def real_model(registered: Version, tracking: Tracking) -> str:
    found = tracking._client.get_model_version("topics", str(registered.version))
    return str(found.source).removeprefix("models:/")


def test_rollback_swaps_production_and_previous_after_a_load_test(
    line: Line, real_model: str
) -> None:
    line.promote(line.add("w1", real_model))
    second = line.add("w2")
    line.promote(second)
    entry = roll_back_line(
        line.name, "Ada", "worse in the field", store=line.store, tracking=line.tracking
    )
    assert (entry.action, entry.from_version, entry.to_version) == ("rolled back", 2, 1)
    assert (entry.by, entry.reason) == ("Ada", "worse in the field")
    assert line.aliases == {"production": 1, "previous": 2, "staging": 2}
    assert line.ledger[-1] == entry
    # The schedule does not overrule her: neither on the same evidence nor on new evidence.
    assert line.champion("w2") == Champion(line.name, 1, "w1")
    again = line.promote(second)
    assert (again.action, len(line.ledger)) == ("refused", 3)
    renewed = line.promote(second, written=report("new"))
    assert renewed.action == "refused"
    assert "Ada rolled the same weights back" in renewed.reason
    assert line.aliases["production"] == 1
    # Other weights may take over.
    assert line.promote(line.add("w3")).action == "promoted"


def test_a_previous_version_that_does_not_load_stays_where_it_is(line: Line) -> None:
    line.promote(line.add("w1"))
    line.promote(line.add("w2"))
    before = line.aliases
    with pytest.raises(PromotionError, match="cannot be served"):
        roll_back_line(line.name, "Ada", "why not", store=line.store, tracking=line.tracking)
    assert line.aliases == before
    assert len(line.ledger) == 2


def test_there_is_nothing_to_roll_back_to_after_one_promotion(line: Line) -> None:
    line.promote(line.add("w1"))
    with pytest.raises(PromotionError, match="no previous version to roll back to"):
        roll_back_line(line.name, "Ada", "why not", store=line.store, tracking=line.tracking)


def test_a_person_may_promote_what_was_refused_and_the_ledger_says_so(
    line: Line, real_model: str
) -> None:
    line.promote(line.add("w1"))
    refused = line.add("w2", real_model)
    line.promote(refused, judgement(Verdict.FAIL))
    for by, reason in (("", "good"), ("Ada", " ")):
        with pytest.raises(PromotionError, match="needs a name and a reason"):
            override_promotion_of(
                line.name, 2, by, reason, store=line.store, tracking=line.tracking
            )
    entry = override_promotion_of(
        line.name, 2, "Ada", "the gate is wrong", store=line.store, tracking=line.tracking
    )
    assert (entry.action, entry.verdict, entry.by) == ("overridden", Verdict.FAIL, "Ada")
    assert line.aliases == {"production": 2, "previous": 1, "staging": 2}
    assert line.champion("w2") == Champion(line.name, 1, "w1")
    with pytest.raises(PromotionError, match="in production already"):
        override_promotion_of(line.name, 2, "Ada", "again", store=line.store,
                              tracking=line.tracking)  # fmt: skip
    with pytest.raises(TrackingError, match="not found"):
        override_promotion_of(line.name, 77, "Ada", "x", store=line.store, tracking=line.tracking)


def reference(line: Line, data: str) -> tuple[int, str] | None:
    found = reference_for(line.name, data, store=line.store, tracking=line.tracking)
    return None if found is None else (found.version, found.clean.uri)


def test_data_is_compared_with_what_production_learnt_from(line: Line) -> None:
    assert reference(line, "d1") is None
    line.promote(line.add("w1", data="d1"))
    # The same rows again are no comparator of their own: the run repeats itself.
    assert reference(line, "d1") is None
    assert reference(line, "d2") == (1, "s3://b/d1")
    line.promote(line.add("w2", data="d2"))
    assert reference(line, "d2") == (1, "s3://b/d1")
    assert reference(line, "d3") == (2, "s3://b/d2")


def test_a_version_that_says_nothing_of_its_rows_is_still_the_reference(line: Line) -> None:
    """So that the comparison is undetermined, and not left out as if there were no champion."""
    line.promote(line.add("w1"))
    assert reference(line, "d1") == (1, "")
