"""Files of registered versions that somebody changed, where they lie or where they are named."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.artifact_manifest import from_bytes, to_bytes
from infra.errors import IntegrityError, PromotionError
from infra.registered_artifacts import keep_manifest, read_manifest
from infra.serving import served
from infra.settings import Settings
from infra.store import Artifact, ObjectStore
from infra.tracking import Tracking
from tasks.evaluation.evaluation import evaluate_weights
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.evaluation import Champion
from tasks.records.registry import Decision, Judgement, Report, Staged, Version
from tasks.registry.champion import champion_for, reference_for
from tasks.registry.ledger import read_ledger
from tasks.registry.manual_promotion import override_promotion_of, roll_back_line
from tasks.registry.promotion import promote_version
from tasks.registry.provenance import keep_provenance
from tasks.registry.registration import check_registered, register_version
from tasks.registry.settings import StagingSettings
from tasks.registry.staging import stage_version
from tasks.registry.verification import VersionCheck, verify_line
from tasks.registry.version_tags import (
    DATA_TAG,
    EVIDENCE_TAGS,
    MANIFEST_TAG,
    PROVENANCE_TAG,
    WEIGHTS_TAG,
    WEIGHTS_URI_TAG,
)
from tasks.verdicts import GateResult, Verdict
from tests.faults.lines import old_style_line
from tests.pages import snippets
from tests.registered import add_version, files_of, judged_by_hand, manifest_of

STAGING = StagingSettings(rows=20, latency_requests=80, warm_up_requests=0)
REPORT = Report(Artifact("s3://b/r", "a" * 64, 1), Artifact("s3://b/c", "b" * 64, 1), "http://r")
WEIGHTS = "model/model.safetensors"


def passing() -> Judgement:
    gates = tuple(
        GateResult(name, "at least 1", 1.0, 1.0, 1.0, 0.95, 64, Verdict.PASS, "as seen")
        for name in ("quality.macro_f1", "staging.same_predictions")
    )
    return Judgement(gates, Verdict.PASS)


class House:
    """Store and registry, and what is done to a line in them."""

    def __init__(self, line: str, store: ObjectStore, tracking: Tracking) -> None:
        self.line, self.store, self.tracking = line, store, tracking

    @property
    def both(self) -> dict[str, Any]:
        return {"store": self.store, "tracking": self.tracking}

    @property
    def aliases(self) -> dict[str, int]:
        return self.tracking.aliases(self.line)

    def promote(self, version: Version, staged: Staged | None = None) -> Decision:
        champion = champion_for(self.line, version.weights_sha256, **self.both)
        judged = judged_by_hand(version, passing(), REPORT, champion, staged, **self.both)
        return promote_version(judged, **self.both)

    def address(self, version: int, name: str) -> str:
        (found,) = [
            uri
            for uri in files_of(self.line, version, self.store, self.tracking)
            if uri.endswith(f"/{name}")
        ]
        return found

    def change(self, version: int, name: str, how: Callable[[bytes], bytes]) -> Callable[[], None]:
        """Change a file in the store behind the registry; what is returned puts it back."""
        uri = self.address(version, name)
        before = self.store.get_bytes(uri)
        self.store.put_bytes(uri, how(before))
        return lambda: self.store.put_bytes(uri, before) and None


def sign_flipped(weights: bytes) -> bytes:
    """A whole safetensors file in which every number has the other sign."""
    start = 8 + int.from_bytes(weights[:8], "little")
    numbers = bytearray(weights[start:])
    for at in range(3, len(numbers), 4):
        numbers[at] ^= 0x80
    return weights[:start] + bytes(numbers)


def foreign(requirements: bytes) -> bytes:
    return requirements + b"a-package-of-somebody==1.0\n"


# A version of two small files each.


@pytest.fixture
def small(request: pytest.FixtureRequest, store: ObjectStore, tracking: Tracking) -> House:
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[-60:]
    tracking._client.create_registered_model(name)
    return House(name, store, tracking)


def add(house: House, weights: str, folder: Path) -> Version:
    number, manifest = add_version(house.line, folder, {WEIGHTS_TAG: weights}, **house.both)
    return Version(house.line, number, weights, manifest, "", "")


def change_a_byte(house: House, version: int) -> str:
    house.change(version, "weights", lambda data: data[:-1] + b"x")
    return "weights was changed"


def remove_a_file(house: House, version: int) -> str:
    house.store.delete(house.address(version, "weights"))
    return "weights is missing"


def add_a_file(house: House, version: int) -> str:
    beside = house.address(version, "weights").removesuffix("weights")
    house.store.put_bytes(f"{beside}code/hook.py", b"print('run')")
    return "code/hook.py was added"


def rename_a_file(house: House, version: int) -> str:
    uri = house.address(version, "weights")
    data = house.store.get_bytes(uri)
    house.store.delete(uri)
    house.store.put_bytes(f"{uri}2", data)
    return "weights is missing; weights2 was added"


@pytest.mark.parametrize("attack", [change_a_byte, remove_a_file, add_a_file, rename_a_file])
def test_a_version_that_was_changed_after_it_was_judged_is_not_promoted(
    small: House, tmp_path: Path, attack: Callable[[House, int], str]
) -> None:
    small.promote(add(small, "w1", tmp_path))
    second = add(small, "w2", tmp_path)
    before = small.aliases
    found = attack(small, second.version)
    with pytest.raises(IntegrityError, match=f"version 2 of .* {found}"):
        small.promote(second)
    assert small.aliases == before == {"production": 1, "staging": 1}
    assert len(read_ledger(small.store, small.line)) == 1
    told = verify_line(small.line, small.store, small.tracking, lambda _: None)
    assert [(check.version, check.state) for check in told.versions] == [
        (1, "as registered"), (2, "changed"),
    ]  # fmt: skip
    assert found in told.versions[1].faults[0]
    assert not told.is_well


def test_another_manifest_cannot_be_passed_off(small: House, tmp_path: Path) -> None:
    """Neither in the tag, which MLflow's API changes, nor in the store under the same name."""
    first, second = add(small, "w1", tmp_path), add(small, "w2", tmp_path)
    check_registered(second, small.tracking)
    small.tracking.set_tags(small.line, 2, {MANIFEST_TAG: first.manifest_sha256})
    with pytest.raises(IntegrityError, match="somebody changed it"):
        check_registered(second, small.tracking)
    small.tracking.set_tags(small.line, 2, {MANIFEST_TAG: second.manifest_sha256})
    uri = small.store.uri("manifests", f"{second.manifest_sha256}.json")
    kept = small.store.get_bytes(uri)
    small.store.put_bytes(uri, read_manifest(first.manifest_sha256, small.store))
    with pytest.raises(IntegrityError, match=f"{uri} was changed after it was written"):
        small.promote(second)
    small.store.put_bytes(uri, kept)
    assert small.promote(second).action == "promoted"
    # From here on the ledger holds the tag to it.
    other = keep_manifest(to_bytes(from_bytes(kept)[:1]), small.store)
    small.tracking.set_tags(small.line, 2, {MANIFEST_TAG: other})
    with pytest.raises(IntegrityError, match="the version's tag"):
        champion_for(small.line, "w3", **small.both)
    told = verify_line(small.line, small.store, small.tracking, lambda _: None)
    assert "the version's tag" in told.versions[1].faults[0]


@pytest.mark.parametrize("other", ["another record", "none"])
def test_another_record_of_what_a_version_was_made_of_cannot_be_passed_off(
    small: House, tmp_path: Path, other: str
) -> None:
    """Neither before it is promoted, by the signed result, nor after, by the ledger."""

    def record_of(scores: str) -> dict[str, str]:
        facts = {WEIGHTS_TAG: "w1", DATA_TAG: "d1", EVIDENCE_TAGS["scores"]: scores}
        return {PROVENANCE_TAG: keep_provenance(facts, small.store)}

    def change() -> None:
        if other == "none":
            small.tracking.delete_tags(small.line, 1, [PROVENANCE_TAG])
        else:
            small.tracking.set_tags(small.line, 1, record_of("s2"))

    def told() -> VersionCheck:
        return verify_line(small.line, small.store, small.tracking, lambda _: None).versions[0]

    own = record_of("s1")
    tags = {WEIGHTS_TAG: "w1", DATA_TAG: "d1", **own}
    number, manifest = add_version(small.line, tmp_path, tags, **small.both)
    version = Version(small.line, number, "w1", manifest, "", "", own[PROVENANCE_TAG])
    assert told().is_well
    small.tracking.set_tags(small.line, 1, {DATA_TAG: "d2"})
    assert f"the tag {DATA_TAG} of version 1 of {small.line} is d2" in told().faults[0]
    small.tracking.set_tags(small.line, 1, {DATA_TAG: "d1"})

    change()
    with pytest.raises(IntegrityError, match=f"was registered with the tag {PROVENANCE_TAG}"):
        small.promote(version)
    assert small.aliases == {}
    assert read_ledger(small.store, small.line) == ()
    small.tracking.set_tags(small.line, 1, own)
    assert small.promote(version).action == "promoted"
    (entry,) = read_ledger(small.store, small.line)
    assert (entry.evidence["scores"], entry.evidence["provenance"]) == ("s1", *own.values())

    change()
    for look_up in (champion_for, reference_for):
        with pytest.raises(IntegrityError, match=r"with the provenance .* somebody changed it"):
            look_up(small.line, "of the next run", **small.both)
    assert "with the provenance" in told().faults[0]


def test_a_version_of_before_there_were_manifests_is_told(small: House) -> None:
    name = f"{small.line}-old"
    old = old_style_line(name, small.store, small.tracking, [(None, 1), (1, 2)])
    old.add()
    for version in ("1", "2", "3"):
        small.tracking._client.delete_model_version_tag(name, version, MANIFEST_TAG)
    told = verify_line(name, small.store, small.tracking, lambda _: None)
    assert [version.state for version in told.versions] == ["no manifest"] * 3
    assert [version.is_well for version in told.versions] == [False, False, True]
    with pytest.raises(IntegrityError, match=r"no manifest: it was registered before .*`assayline"):
        old.roll_back()
    assert old.aliases["production"] == 2


def test_verification_names_a_line_that_is_none_and_a_broken_ledger(
    small: House, tmp_path: Path
) -> None:
    with pytest.raises(PromotionError, match="nowhere has neither a version nor a ledger"):
        verify_line("nowhere", small.store, small.tracking, lambda _: None)
    small.promote(add(small, "w1", tmp_path))
    (entry,) = small.store.list(small.store.uri("ledger", small.line) + "/")
    small.store.put_bytes(entry, small.store.get_bytes(entry).replace(b"policy", b"nobody"))
    told = verify_line(small.line, small.store, small.tracking, lambda _: None)
    assert "was changed after it was written" in told.ledger_faults[0]
    assert told.versions[0].state == "as registered"
    assert not told.is_well


# A version of a real model.


@pytest.fixture(scope="module")
def proven(
    candidate: Any, store: ObjectStore, tracking: Tracking
) -> Iterator[tuple[House, Version, Staged]]:
    """A line with one version, which was staged."""
    version = register_version(
        "attacked", candidate.snapshot, candidate.data, candidate.tokens, candidate.base,
        candidate.weights, candidate.scores, candidate.fairness, "classification",
        store=store, tracking=tracking,
    )  # fmt: skip
    staged = stage_version(
        version, candidate.weights, candidate.data, candidate.scores, STAGING,
        store=store, tracking=tracking,
    )  # fmt: skip
    return House("attacked", store, tracking), version, staged


@pytest.mark.slow
def test_the_process_that_serves_loads_nothing_but_the_files_of_the_manifest(
    proven: tuple[House, Version, Staged],
) -> None:
    house, version, _ = proven
    manifest = manifest_of(house.line, version.version, **house.both)
    files = {file.path for file in from_bytes(manifest)}
    assert {"MLmodel", "requirements.txt", WEIGHTS} <= files
    for name, how in ((WEIGHTS, sign_flipped), ("requirements.txt", foreign)):
        put_back = house.change(version.version, name, how)
        with (
            pytest.raises(PromotionError, match=f"not those of its manifest: {name} was changed"),
            served(
                house.tracking.url, f"models:/{house.line}/{version.version}", manifest,
                start_timeout_s=180, request_timeout_s=60,
            ),
        ):  # fmt: skip
            pass
        put_back()


@pytest.mark.slow
def test_weights_that_changed_between_staging_and_promotion(
    proven: tuple[House, Version, Staged],
) -> None:
    """The run is killed and started again: its staging is found in the cache, as here."""
    house, version, staged = proven
    put_back = house.change(version.version, WEIGHTS, sign_flipped)
    with pytest.raises(IntegrityError, match=f"{WEIGHTS} was changed"):
        house.promote(version, staged)
    assert "production" not in house.aliases
    put_back()
    assert house.promote(version, staged).action == "promoted"
    (entry,) = read_ledger(house.store, house.line)
    assert entry.evidence["manifest"] == version.manifest_sha256
    assert entry.evidence["answers"] == staged.answers_sha256


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_rollback_asks_for_the_same_files_and_the_same_answers(
    proven: tuple[House, Version, Staged], tmp_path: Path
) -> None:
    house, version, staged = proven
    house.promote(version, staged)
    house.promote(add(house, "w2", tmp_path))
    before = house.aliases

    def refused(error: type[Exception], said: str) -> None:
        with pytest.raises(error, match=said):
            roll_back_line(house.line, "Ada", "worse", **house.both)
        assert house.aliases == before

    for name, how in ((WEIGHTS, sign_flipped), ("requirements.txt", foreign)):
        put_back = house.change(version.version, name, how)
        refused(PromotionError, f"{name} was changed")
        put_back()

    kept = house.store.uri("answers", f"{staged.answers_sha256}.json")
    answers = house.store.get_bytes(kept)
    house.store.put_bytes(kept, answers + b" ")
    refused(IntegrityError, f"{kept} was changed after it was written")
    house.store.delete(kept)
    told = verify_line(house.line, house.store, house.tracking, lambda _: None)
    assert "the answers of a ledger entry" in told.versions[0].faults[0]
    house.store.put_bytes(kept, answers)

    entry = roll_back_line(house.line, "Ada", "worse", **house.both)
    assert (entry.to_version, entry.evidence["answers"]) == (1, staged.answers_sha256)
    assert entry.evidence["manifest"] == version.manifest_sha256


@pytest.mark.slow
def test_other_answers_from_the_same_files_are_seen(
    proven: tuple[House, Version, Staged],
) -> None:
    """As from other libraries, or from a machine that reckons otherwise."""
    from tasks.registry.answers import keep_answers, kept_answers
    from tasks.registry.proof import Proof
    from tasks.registry.staging import load_test

    house, version, staged = proven
    kept = kept_answers(staged.answers_sha256, house.store)
    assert len(kept.rows) == 20
    answers = [row.answer for row in kept.rows]
    answers[7] = {**answers[7], "score": float(str(answers[7]["score"])) / 2}
    other = keep_answers(kept.rows, answers, kept.tolerance, house.store)
    for sha256, said in (
        (other, "answers 1 of 20 rows otherwise than when it was staged"),
        ("", ""),
    ):
        proof = Proof(version.manifest_sha256, sha256)
        if said:
            with pytest.raises(PromotionError, match=said):
                load_test(house.line, version.version, proof, **house.both)


@pytest.mark.slow
def test_a_champion_that_was_changed_is_no_measure(
    proven: tuple[House, Version, Staged], candidate: Any
) -> None:
    house, version, _ = proven
    champion = Champion(house.line, version.version, version.weights_sha256,
                        version.manifest_sha256)  # fmt: skip
    old = replace(champion, manifest_sha256="", weights_uri=candidate.weights.artifact.uri)
    put_back = house.change(version.version, WEIGHTS, sign_flipped)
    for compared, said in ((champion, "was changed"), (old, "model.safetensors differs")):
        with pytest.raises(IntegrityError, match=said):
            evaluate_weights(
                candidate.weights, candidate.data, compared, "classification",
                EvaluationSettings(repeats=4_000), **house.both,
            )  # fmt: skip
    put_back()


@pytest.mark.slow
def test_a_version_of_an_earlier_release_is_promoted_by_hand_if_its_weights_are_those_of_then(
    proven: tuple[House, Version, Staged], candidate: Any, store: ObjectStore, tracking: Tracking
) -> None:
    _, version, _ = proven
    source = tracking._client.get_model_version("attacked", str(version.version)).source
    weights = candidate.weights.artifact
    house = House("of-before", store, tracking)
    tracking._client.create_registered_model(house.line)

    def old(sha256: str, uri: str) -> int:
        tags = {WEIGHTS_TAG: sha256, WEIGHTS_URI_TAG: uri}
        tags = {name: value for name, value in tags.items() if value}
        made = tracking._client.create_model_version(
            house.line, source, tags=tags, model_id=source.removeprefix("models:/")
        )
        return int(made.version)

    unknown = old("", "")
    with pytest.raises(IntegrityError, match="no tag says of which weights"):
        override_promotion_of(house.line, unknown, "Ada", "try it", **house.both)
    other = store.put_folder(store.uri("weights", "others"), _other_weights(store, weights))
    wrong = old(other.sha256, other.uri)
    with pytest.raises(IntegrityError, match=r"not of the weights at .*config\.json differs"):
        override_promotion_of(house.line, wrong, "Ada", "try it", **house.both)
    assert house.aliases == {}

    right = old(weights.sha256, weights.uri)
    entry = override_promotion_of(house.line, right, "Ada", "it ran for a year", **house.both)
    assert entry.evidence["manifest"] == tracking.version_tags(house.line, right)[MANIFEST_TAG]
    assert entry.evidence["manifest"] == version.manifest_sha256  # of the same upload
    assert house.aliases["production"] == right


def _other_weights(store: ObjectStore, weights: Artifact) -> Path:
    import tempfile

    folder = store.get_folder(weights, Path(tempfile.mkdtemp()) / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    return folder


@pytest.mark.slow
def test_an_upload_that_does_not_come_back_as_it_was_sent_makes_no_version(
    candidate: Any, store: ObjectStore, tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a store that keeps half an object, or gives back old bytes."""
    client = tracking._client
    log = client.log_model_artifacts

    def half(model_id: str, folder: str) -> None:
        log(model_id, folder)
        place = client.get_logged_model(model_id).artifact_location
        place = str(place).removeprefix("mlflow-artifacts:/")
        uri = f"s3://{store.settings.mlflow_bucket}/{place}/{WEIGHTS}"
        store.put_bytes(uri, store.get_bytes(uri)[:5000])

    def register() -> Version:
        return register_version(
            "halved", candidate.snapshot, candidate.data, candidate.tokens, candidate.base,
            candidate.weights, candidate.scores, candidate.fairness, "classification",
            store=store, tracking=tracking,
        )  # fmt: skip

    monkeypatch.setattr(client, "log_model_artifacts", half)
    with pytest.raises(IntegrityError, match=f"holds another model .*{WEIGHTS} was changed"):
        register()
    assert tracking.aliases("halved") == {}
    assert tracking.versions("halved") == []
    monkeypatch.undo()
    assert register().version == 1
    assert tracking.aliases("halved") == {"candidate": 1}
    # Found again by its key, it is read back as well.
    House("halved", store, tracking).change(1, WEIGHTS, sign_flipped)
    with pytest.raises(IntegrityError, match=f"{WEIGHTS} was changed"):
        register()


@pytest.mark.slow
def test_verify_shows_a_person_what_is_wrong_and_a_script_the_code(
    small: House,
    tmp_path: Path,
    mlflow_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from flows.commands.verify_command import verify

    for name, value in mlflow_settings.as_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ASSAYLINE_HOME", str(tmp_path / "home"))
    bucket = "verify-results"
    small.store.ensure_bucket(bucket)
    monkeypatch.setenv("ASSAYLINE_RESULTS_BUCKET", bucket)
    small.promote(add(small, "w1", tmp_path))
    # Evidence of these tests that was never written.
    monkeypatch.setattr("tasks.registry.verification.EVIDENCE_PLACES", {})
    small.store.put_bytes(f"s3://{bucket}/old", b"{}")
    assert verify(small.line) == 0
    shown = capsys.readouterr()
    assert "as registered" in shown.out
    assert "1 of an earlier release are not used" in shown.out
    assert f"reading version 1 of {small.line} (1 of 1)" in shown.err

    small.store.put_bytes(f"s3://{bucket}/forged", b"assayline-result 1 00000000 0000\n{}")
    assert verify(small.line, as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["well"], found["versions"][0]["well"]) == (False, True)
    assert "is signed with the key 00000000" in found["results"]["wrong"][0]
    small.store.delete(f"s3://{bucket}/forged")
    remove_a_file(small, 1)
    assert verify(small.line) == 1
    assert "weights is missing" in capsys.readouterr().out


@pytest.mark.slow
def test_a_consumer_checks_before_it_loads(proven: tuple[House, Version, Staged]) -> None:
    """The program of docs/security.md, with mlflow alone."""
    house, version, _ = proven
    (program,) = [
        one.text for one in snippets() if (one.page, one.language) == ("security.md", "python")
    ]
    house.tracking.set_alias(house.line, "checked", version.version)
    program = program.replace("http://127.0.0.1:15000", house.tracking.url)
    program = program.replace('"bbc-news", "production"', f'"{house.line}", "checked"')
    program = program.replace('"bbc-news"', f'"{house.line}"')

    def load() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=120,
            check=False, cwd="/",
        )  # fmt: skip

    done = load()
    assert done.returncode == 0, done.stderr[-2000:]
    put_back = house.change(version.version, "requirements.txt", foreign)
    done = load()
    put_back()
    assert "these are not the files that were proven" in done.stderr
    assert done.returncode == 1
