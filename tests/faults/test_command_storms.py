"""Several people who move one line by the console command at the same moment."""

import subprocess
from pathlib import Path

import pytest
import yaml

from flows.deployments import ensure_deployments
from infra.model_format import write_pipeline_model
from infra.registered_artifacts import keep_manifest
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.registry.audit import audit_ledger
from tasks.registry.ledger import PROMOTED
from tasks.registry.transitions import evidence_of, record, settle
from tasks.registry.version_tags import WEIGHTS_TAG
from tests.conftest import SCRIPTS, RunningStack
from tests.faults.test_ledger_races import TRUTHS
from tests.integration.test_retrain import readme_config

VERSIONS = 3
LINE = "storm"


@pytest.fixture(scope="module")
def tracking(stack: RunningStack) -> Tracking:
    return Tracking(stack.settings)


@pytest.fixture(scope="module")
def store(stack: RunningStack) -> ObjectStore:
    return ObjectStore(stack.settings)


@pytest.fixture(scope="module")
def storm(
    stack: RunningStack, store: ObjectStore, tracking: Tracking, tiny_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:  # fmt: skip
    """A line of three real models, each of which was promoted."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("storm")
    config = folder / "storm.yaml"
    config.write_text(yaml.safe_dump(readme_config() | {"line": LINE}), encoding="utf-8")
    (folder / "reviews.csv").write_text("review,stars_label,country\n", encoding="utf-8")
    ensure_deployments(stack.settings, LINE, config)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_model, num_labels=3)
    model.save_pretrained(folder / "checkpoint")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder / "checkpoint")
    run = tracking.open_run(LINE, "run", {})

    def keep(manifest: bytes) -> str:
        return keep_manifest(manifest, store)

    for number in range(1, VERSIONS + 1):
        written = folder / f"mlflow-{number}"
        write_pipeline_model(
            folder / "checkpoint", written, line=LINE, pipeline="text-classification",
            max_length=16, examples=["a good film", "the match was won"],
        )  # fmt: skip
        tags = {WEIGHTS_TAG: f"w{number}"}
        version = tracking.register_model(LINE, f"key {number}", run, written, tags, keep)
        state, _ = settle(LINE, store, tracking)
        record(
            store, tracking, state, action=PROMOTED, to_version=version, candidate=version,
            verdict=None, reason="as seen", by="policy",
            evidence=evidence_of(tracking.version_tags(LINE, version)),
        )  # fmt: skip
    return LINE


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_storm_of_promotions_and_rollbacks_tells_each_person_the_truth(
    storm: str, stack: RunningStack, store: ObjectStore, tracking: Tracking
) -> None:
    people = {
        f"person {number}": ("rollback", storm)
        if number % 2
        else ("promote", storm, str(1 + number % VERSIONS))
        for number in range(6)
    }
    running = {
        by: subprocess.Popen(
            [SCRIPTS / "assayline", *command, "--by", by, "--reason", "in a storm"],
            env=dict(stack.environment), cwd=stack.folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for by, command in people.items()
    }  # fmt: skip
    told = {by: (*process.communicate(timeout=900), process.returncode)
            for by, process in running.items()}  # fmt: skip
    audit = audit_ledger(storm, store=store, tracking=tracking)
    by_person = [entry.by for entry in audit.entries]
    print({by: (code, by_person.count(by), err[-200:]) for by, (_, err, code) in told.items()})
    for by, (out, err, code) in told.items():
        assert "Traceback" not in out + err
        assert by_person.count(by) == (1 if code == 0 else 0), (by, out, err)
        if code == 0:
            assert f"by assayline ({by}): in a storm" in out
        else:
            assert code == 1
            assert err.count("error:") == 1
            assert any(truth in err for truth in TRUTHS), err
    assert audit.disagreement == ""
    assert sum(code == 0 for _, _, code in told.values()) >= 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_was_moved_in_mlflow_is_decided_by_the_command(
    storm: str, stack: RunningStack, store: ObjectStore, tracking: Tracking
) -> None:
    before = tracking.aliases(storm)
    other = next(v for v in range(1, VERSIONS + 1) if v != before["production"])
    tracking.set_alias(storm, "production", other)
    refused = stack.assayline("rollback", storm, "--reason", "unaware")
    assert refused.returncode == 1
    assert f"production names version {other} in MLflow" in refused.stderr
    assert refused.stderr.count("error:") == 1
    undecided = stack.assayline("reconcile", storm)
    assert undecided.returncode == 1
    assert "--accept takes what MLflow says" in undecided.stderr
    done = stack.assayline("reconcile", storm, "--restore", "--by", "Ada", "--reason", "not ours")
    assert done.returncode == 0, done.stderr
    assert "by assayline (Ada): not ours" in done.stdout
    assert tracking.aliases(storm) == before
    again = stack.assayline("reconcile", storm, "--restore", "--reason", "not ours")
    assert again.returncode == 0
    assert "nothing was to be decided" in again.stdout
    assert [entry.action for entry in audit_ledger(storm, store=store, tracking=tracking).entries][
        -2:
    ] == ["moved outside", "restored"]
