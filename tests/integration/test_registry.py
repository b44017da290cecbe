"""Registration on a real registry and a real store."""

import getpass
import json
import subprocess
import sys
import sysconfig
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.artifact_manifest import from_bytes
from infra.errors import BaseModelError, IntegrityError, TrackingError
from infra.model_format import pinned_requirements, write_pipeline_model
from infra.registered_artifacts import keep_manifest, read_manifest
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import Version
from tasks.registry.provenance import facts_of, keep_provenance
from tasks.registry.registration import check_registered, register_version
from tasks.registry.version_tags import DATA_TAG, PROVENANCE_TAG
from tests.pages import ROOT


@pytest.fixture(scope="module")
def candidate(evaluated: Any) -> Any:
    """What the registered version was made of, with its run."""
    return evaluated


def register(candidate: Any, store: ObjectStore, tracking: Tracking) -> Version:
    return register_version(
        candidate.line, candidate.snapshot, candidate.data, candidate.tokens, candidate.base,
        candidate.weights, candidate.scores, candidate.fairness, "classification",
        store=store, tracking=tracking,
    )  # fmt: skip


def test_a_version_carries_its_evidence(
    registered: Version, candidate: Any, store: ObjectStore, tracking: Tracking
) -> None:
    held = tracking.version_tags("topics", registered.version)
    assert {name.removeprefix("assayline.") for name in held} - {"answers_sha256"} == {
        "base_model", "data_sha256", "key", "leading_metric", "manifest_sha256",
        "provenance_sha256", "task_type", "weights_sha256",
    }  # fmt: skip
    assert held["assayline.provenance_sha256"] == registered.provenance_sha256
    (leading,) = [e for e in candidate.scores.estimates if e.name == "quality.macro_f1"]
    assert held["assayline.leading_metric"] == (
        f"macro_f1 {leading.value:.4g} [{leading.low:.4g}, {leading.high:.4g}]"
    )
    tags = facts_of("version 1 of topics", held, store)
    assert tracking.aliases("topics")["candidate"] == registered.version
    assert tags["assayline.weights_sha256"] == candidate.weights.artifact.sha256
    assert tags["assayline.scores_sha256"] == candidate.scores.artifact.sha256
    assert tags["assayline.data_sha256"] == candidate.data.clean.sha256
    assert tags["assayline.labels"] == '["business", "film", "sport"]'
    assert tags["assayline.task_type"] == "classification"
    assert "assayline.script_sha256" not in tags
    assert registered.url.endswith(f"/#/models/topics/versions/{registered.version}")
    run = tracking._client.get_run(candidate.weights.run_id)
    (dataset,) = [i.dataset for i in run.inputs.dataset_inputs if i.dataset.name == "topics"]
    assert json.loads(dataset.source)["uri"] == candidate.data.clean.uri
    assert candidate.data.clean.sha256.startswith(dataset.digest)
    (accuracy,) = [e.value for e in candidate.scores.estimates if e.name == "quality.accuracy"]
    assert run.data.metrics["test_accuracy"] == pytest.approx(accuracy)
    source = tracking._client.get_model_version("topics", str(registered.version)).source
    assert source in {f"models:/{output.model_id}" for output in run.outputs.model_outputs}


def test_mlflow_shows_the_metrics_on_the_model_with_the_rows_that_they_are_of(
    registered: Version, candidate: Any, tracking: Tracking
) -> None:
    client, run_id = tracking._client, candidate.weights.run_id
    run = client.get_run(run_id)
    used = {
        found.dataset.name: {tag.key: tag.value for tag in found.tags}["mlflow.data.context"]
        for found in run.inputs.dataset_inputs
    }
    assert used == {"topics": "training", "topics test": "evaluation"}
    model_id = tracking.model_id("topics", registered.version)
    model = client.get_logged_model(model_id)
    shown = {metric.key: metric for metric in model.metrics}
    assert set(shown) == set(run.data.metrics)
    for name, value in run.data.metrics.items():
        assert shown[name].value == pytest.approx(value)
        assert shown[name].dataset_name == "topics test"
        assert candidate.data.clean.sha256.startswith(shown[name].dataset_digest)
    assert model.name == "topics"


def test_mlflow_says_what_a_run_and_a_registered_model_are(
    registered: Version, candidate: Any, tracking: Tracking
) -> None:
    client = tracking._client
    run = client.get_run(candidate.weights.run_id)
    newest = max(tracking.versions("topics"))  # of the same weights with other evidence
    assert run.info.run_name == f"topics v{newest}"
    assert newest >= registered.version
    tags = run.data.tags
    assert (ROOT / tags["mlflow.source.name"]).is_file()
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.user"] == getpass.getuser()
    asked = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    head = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert tags.get("mlflow.source.git.commit", "") == head.stdout.strip()
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    model = client.get_registered_model("topics")
    assert "models:/topics@production" in model.description
    assert f"/#/experiments/{experiment.experiment_id}/models?" in model.description
    assert model.tags["assayline.task_type"] == "classification"
    assert model.tags["assayline.base_model"] == candidate.base.reference


def test_plain_transformers_loads_one_folder_of_a_version(
    registered: Version, candidate: Any, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    """Its model, its tokenizer and the card, which the manifest lists; weights lie there once."""
    import torch
    from huggingface_hub import ModelCard
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    artifact = tracking.download_artifact("topics", registered.version, tmp_path / "registered")
    folder = artifact / "model"
    trained = store.get_folder(candidate.weights.artifact, tmp_path / "trained")
    texts = ["a late goal", "the bank raised rates"]
    logits = []
    for place in (folder, trained):
        tokenizer = AutoTokenizer.from_pretrained(place)
        model = AutoModelForSequenceClassification.from_pretrained(place)
        with torch.no_grad():
            logits.append(model(**tokenizer(texts, padding=True, return_tensors="pt")).logits)
    assert torch.equal(*logits)
    assert len(list(artifact.rglob("*.safetensors"))) == 1
    listed = from_bytes(read_manifest(registered.manifest_sha256, store))
    assert "model/README.md" in {file.path for file in listed}
    assert ModelCard.load(folder / "README.md").data.license == "mit"


def test_other_provenance_cannot_be_passed_off(
    registered: Version, store: ObjectStore, tracking: Tracking
) -> None:
    facts = facts_of("topics", tracking.version_tags("topics", registered.version), store)
    other = keep_provenance({**facts, DATA_TAG: "other"}, store)
    tracking.set_tags("topics", registered.version, {PROVENANCE_TAG: other})
    with pytest.raises(
        IntegrityError, match=f"{registered.provenance_sha256}, and it names {other}"
    ):
        check_registered(registered, tracking)
    tags = tracking.version_tags("topics", registered.version)
    with pytest.raises(IntegrityError, match="is other: somebody changed one of them"):
        facts_of("version 1 of topics", tags, store)
    tracking.set_tags("topics", registered.version, {PROVENANCE_TAG: registered.provenance_sha256})
    check_registered(registered, tracking)


def test_a_version_that_is_found_again_is_of_the_same_evidence(
    registered: Version, candidate: Any, store: ObjectStore, tracking: Tracking
) -> None:
    """What a tag says then is signed as the result of registration: its word is not enough."""
    tags = tracking.version_tags("topics", registered.version)
    facts = facts_of("topics", tags, store)
    other = keep_provenance({**facts, "assayline.scores_sha256": "other"}, store)
    tracking.set_tags("topics", registered.version, {PROVENANCE_TAG: other})
    with pytest.raises(IntegrityError, match=r"was made of the scores .* name other: somebody"):
        register(candidate, store, tracking)
    tracking.delete_tags("topics", registered.version, [PROVENANCE_TAG])
    with pytest.raises(IntegrityError, match=r"was made of the snapshot .* name none: somebody"):
        register(candidate, store, tracking)
    tracking.set_tags("topics", registered.version, {PROVENANCE_TAG: registered.provenance_sha256})
    assert register(candidate, store, tracking) == registered


def test_the_same_evidence_is_registered_once(
    registered: Version, candidate: Any, store: ObjectStore, tracking: Tracking
) -> None:
    tracking._client.delete_registered_model_alias(
        "topics", "candidate"
    )  # as if the crash came right before it
    again = register(candidate, store, tracking)
    assert again == registered
    assert tracking.aliases("topics")["candidate"] == registered.version
    other = replace(candidate, scores=replace(candidate.scores, rows=59))
    assert register(other, store, tracking).version == registered.version + 1


def test_a_version_that_the_registry_lost_is_told(registered: Version, tracking: Tracking) -> None:
    check_registered(registered, tracking)
    for lost in (
        replace(registered, version=999),
        replace(registered, line="a-line-that-never-was"),
        replace(registered, weights_sha256="0" * 64),
    ):
        with pytest.raises(TrackingError, match="no longer holds it"):
            check_registered(lost, tracking)


def test_an_upload_that_never_became_a_version_is_used_again(
    candidate: Any, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    store.get_folder(candidate.weights.artifact, tmp_path / "in")
    write_pipeline_model(
        tmp_path / "in", tmp_path / "out", line="topics", pipeline="text-classification",
        max_length=16, examples=["a"],
    )  # fmt: skip
    run = candidate.weights.run_id
    keep = partial(keep_manifest, store=store)
    uploaded, manifest = tracking._upload_model("topics", "some-key", run, tmp_path / "out", keep)
    number = tracking.register_model("twice", "some-key", run, tmp_path / "out", {}, keep)
    assert tracking.version_tags("twice", number)["assayline.manifest_sha256"] == manifest
    source = tracking._client.get_model_version("twice", str(number)).source
    assert source == f"models:/{uploaded}"


def test_the_download_holds_the_evaluated_bytes_with_the_tokenizer_beside_them(
    registered: Version, candidate: Any, store: ObjectStore, tracking: Tracking, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    root = tracking.download_artifact("topics", registered.version, tmp_path / "version")
    folder = tracking.model_of(root, "topics", registered.version)
    original = store.get_folder(candidate.weights.artifact, tmp_path / "weights")
    for name in ("model.safetensors", "config.json"):
        assert (folder / name).read_bytes() == (original / name).read_bytes()
    assert AutoTokenizer.from_pretrained(folder).model_max_length == candidate.weights.max_length
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert tuple(model.config.id2label.values()) == candidate.data.labels
    files = {path.name for path in folder.parent.rglob("*") if path.is_file()}
    assert not {name for name in files if name.endswith((".bin", ".pkl", ".py", ".pt"))}
    description = (folder.parent / "MLmodel").read_text(encoding="utf-8")
    assert str(tmp_path.parent) not in description
    assert "/tmp" not in description
    requirements = (folder.parent / "requirements.txt").read_text().split()
    assert tuple(requirements) == pinned_requirements()
    assert not any("+" in item or "assayline" in item for item in requirements)


def test_a_consumer_needs_mlflow_transformers_and_torch_alone(
    registered: Version, tracking: Tracking
) -> None:
    code = f"""
import sys; sys.path.append({sysconfig.get_path("purelib")!r})
absent = ('tasks', 'infra', 'flows', 'prefect', 'boto3', 'accelerate', 'datasets')
sys.modules.update(dict.fromkeys(absent))
import json, mlflow, pandas
mlflow.set_tracking_uri({tracking.url!r})
model = mlflow.pyfunc.load_model("models:/topics/{registered.version}")
texts = ["goal", "2024", "'quoted'", "late goal " * 3000, "的一是不了人我在" * 300, ""]
listed = model.predict(texts).to_dict("records")
framed = model.predict(pandas.DataFrame({{"any name": texts}})).to_dict("records")
single = [model.predict([text]).to_dict("records")[0] for text in texts]
alone = model.predict(texts[3]).to_dict("records")
print(json.dumps([listed, framed, single, alone]))
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True,
                          timeout=120, check=False, cwd="/")  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    listed, framed, single, alone = json.loads(done.stdout)
    assert len(listed) == 6
    assert listed == framed == single
    assert alone == [listed[3]]
    assert all(row["label"] in {"business", "film", "sport"} for row in listed)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_its_requirements_alone_make_an_environment_that_serves_it(
    registered: Version, tracking: Tracking, tmp_path: Path
) -> None:
    artifact = tracking.download_artifact("topics", registered.version, tmp_path)
    python = tmp_path / "alone" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "alone"], check=True)
    requirements = artifact / "requirements.txt"
    install = [python, "-m", "pip", "install", "--quiet", "-r"]
    subprocess.run([*install, requirements], check=True, timeout=280)
    code = f"import mlflow; print(mlflow.pyfunc.load_model({str(artifact)!r}).predict(['goal']))"
    served = subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert served.returncode == 0, served.stderr[-2000:]
    assert any(label in served.stdout for label in ("business", "film", "sport"))
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(requirements.read_text().replace("transformers==", "transformers==0.0."))
    assert subprocess.run([*install, wrong], check=False, timeout=280).returncode != 0


def test_what_would_run_code_is_not_registered(
    candidate: Any, store: ObjectStore, tmp_path: Path
) -> None:
    folder = store.get_folder(candidate.weights.artifact, tmp_path / "in")
    (folder / "training_args.bin").write_bytes(b"")
    form: dict[str, Any] = {
        "line": "x", "pipeline": "text-classification", "max_length": 16, "examples": ["a"]
    }  # fmt: skip
    with pytest.raises(BaseModelError, match=r"training_args\.bin"):
        write_pipeline_model(folder, tmp_path / "out", **form)
    (folder / "training_args.bin").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "m.M"}}))
    with pytest.raises(BaseModelError, match="auto_map"):
        write_pipeline_model(folder, tmp_path / "out", **form)


def test_importing_the_tasks_is_light() -> None:
    heavy = ["mlflow", "torch", "transformers", "pandas", "pyarrow", "scipy"]
    code = (
        "import sys, tasks.registry, flows.promote, flows.retrain, flows.choose, flows.sweep\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=True, timeout=120)  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_a_persons_own_description_of_a_model_stays(
    registered: Version, candidate: Any, store: ObjectStore, tracking: Tracking
) -> None:
    assert registered.version
    before = tracking._client.get_registered_model("topics").description
    tracking._client.update_registered_model("topics", "ours")
    other = replace(candidate, fairness=replace(candidate.fairness, min_group_rows=31))
    register(other, store, tracking)
    assert tracking._client.get_registered_model("topics").description == "ours"
    tracking._client.update_registered_model("topics", before)
