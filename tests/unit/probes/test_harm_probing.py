"""The whole probe over a real store: what real models write, and what becomes of it."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError, SettingsError
from infra.store import Artifact, ObjectStore
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.harm.files import pin_files
from tasks.probes.harm.probing import add_harm
from tasks.probes.harm.settings import HarmSettings, ScorerSettings
from tasks.probes.harm.writing import training_targets
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.training import Weights
from tasks.task_types.examiner import examiner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.row_shapes import shape_of
from tasks.validation.personal_data.settings import PrivacySettings
from tasks.verdicts import Verdict
from tests.conftest import NO_LEAKS
from tests.unit.probes.scorers import by_hand, classifier, scorer_in
from tests.unit.task_types.language_models import tiny_gpt2, tiny_llama

EVALUATION = EvaluationSettings(repeats=4_000)
NONE = Artifact("s3://none/none", "0" * 64, 0)
PROMPTS = [f"The bank of {n} said that" for n in range(10)]


def scores() -> Scores:
    return Scores(
        artifact=NONE, labels=(), rows=40, estimates=(), confusion=(), calibration=(),
        champion_version=None, champion_note="",
    )  # fmt: skip


def data_of(store: ObjectStore, folder: Path, task_type: str, rows: pa.Table) -> DataReport:
    pq.write_table(rows, folder / "clean.parquet")
    clean = store.put_file(store.uri("clean", f"{task_type}.parquet"), folder / "clean.parquet")
    return DataReport(
        clean=clean, quarantine=clean, docs_uri="", labels=(), group_columns=(),
        rows_by_split={"train": len(rows)}, rows_by_label={}, rows_quarantined=0,
        quarantined_by_reason={}, task_type=task_type, lengths={}, personal_data=(),
        leakage=NO_LEAKS, checks=(), verdict=Verdict.PASS,
    )  # fmt: skip


def weights_of(store: ObjectStore, model: Path) -> Weights:
    return Weights(
        artifact=store.put_folder(store.uri("weights", model.name), model), labels=(),
        max_length=48, epochs=(), best_epoch=1, parameters=1, precision="float32", run_id="",
        device="cpu", training_s=1.0, tokens_per_s=1.0, resumed_from_step=0, stride=8,
    )  # fmt: skip


def asked(path: Path, **others: str) -> str:
    path.write_text("".join(json.dumps({"prompt": one, **others}) + "\n" for one in PROMPTS))
    return str(path)


def test_what_a_language_model_writes_is_what_is_judged(
    store: ObjectStore, tiny_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "gpt2"
    model.mkdir()
    tiny_gpt2(model)
    weights = weights_of(store, model)
    rows = [{"row_id": f"{n:03}", "split": "train", "text": f"a fool {n}" if n < 6 else f"{n}"}
            for n in range(20)]  # fmt: skip
    data = data_of(store, tmp_path, "causal_lm", pa.Table.from_pylist(rows))
    examiner = examiner_of("causal_lm", (), TokenLimits.of(weights))
    answers = examiner.answer(model, pa.table({"text": PROMPTS})).to_pylist()
    said = [json.loads(one)["continuation"] for one in answers]
    # A word that this model of random weights happens to write, beside one of the training rows.
    word = max((word for text in said for word in text.split() if word.isalnum()), key=len)
    (tmp_path / "terms.txt").write_text(f"{word}\nfool\n")
    settings = HarmSettings(
        prompts=asked(tmp_path / "p.jsonl"), lexicon=str(tmp_path / "terms.txt"), min_rows=10,
        scorer=ScorerSettings(line="toxicity", label="toxic"),
    )  # fmt: skip
    scoring = classifier(tiny_model, tmp_path / "scorer")
    scorer = scorer_in(store, scoring)
    files = pin_files(settings, store)

    def probed() -> Scores:
        return add_harm(
            scores(), weights, data, files, "causal_lm", settings, PrivacySettings(), EVALUATION,
            scorer, store=store,
        )  # fmt: skip

    found = probed()
    named = {one.name: one for one in found.estimates}
    assert named.keys() == {
        "harm.lexicon_rate", "harm.training_lexicon_rate", "harm.scored_rate",
        "harm.training_scored_rate", "harm.personal_data_rate", "harm.secret_rate",
    }  # fmt: skip
    told = found.harm
    assert told
    assert told.estimates == found.estimates
    assert (told.asked, told.refusals, told.files) == (10, None, files)
    rate = named["harm.lexicon_rate"]
    holding = [one for one in said if re.search(rf"\b{word}\b", one, re.IGNORECASE)]
    assert rate.n == sum(bool(one.strip()) for one in said)
    assert rate.value == pytest.approx(len(holding) / rate.n)
    assert holding
    assert named["harm.training_lexicon_rate"].value == pytest.approx(0.3)
    written = [one for one in said if one.strip()]
    scored = named["harm.scored_rate"]
    assert scored.value == pytest.approx(sum(by_hand(scoring, written)) / len(written))
    learned = by_hand(scoring, [str(row["text"]) for row in rows])
    assert named["harm.training_scored_rate"].value == pytest.approx(sum(learned) / 20)
    assert told.scorer
    assert told.scorer.scorer.name == "version 3 of toxicity"
    (tmp_path / "terms.txt").write_text("other\n")
    with pytest.raises(DataError, match="changed while the run was going on"):
        probed()


def test_a_chat_is_asked_for_refusals(store: ObjectStore, tmp_path: Path) -> None:
    model = tmp_path / "llama"
    model.mkdir()
    tiny_llama(model)
    weights = weights_of(store, model)
    data = data_of(store, tmp_path, "chat", pa.table({"row_id": ["a"], "split": ["train"]}))
    settings = HarmSettings(
        refusals=asked(tmp_path / "r.jsonl", expect="answer"), min_rows=10,
        refusal_patterns=("(?s).",),
    )  # fmt: skip
    files = pin_files(settings, store)
    found = add_harm(
        scores(), weights, data, files, "chat", settings, PrivacySettings(), EVALUATION,
        store=store,
    )  # fmt: skip
    told = found.harm
    assert told
    assert told.refusals
    assert (told.lexicon, told.leaks, told.asked) == (None, None, 0)
    # Whatever it says is a refusal by this pattern, and what says nothing counts against it too.
    assert told.refusals.over_refusal.value == 1
    assert told.refusals.refusal.value is None
    for task_type, said in (("causal_lm", r"harm\.refusals is not"), ("tagging", "harm is not")):
        with pytest.raises(SettingsError, match=said):
            add_harm(
                scores(), weights, data, files, task_type, settings, PrivacySettings(), EVALUATION,
                store=store,
            )  # fmt: skip


def test_training_rows_say_what_a_model_is_to_write() -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}]
    assert training_targets(shape_of("chat"), pa.table({"messages": [turns * 2]})) == ["r\nr"]
    assert training_targets(shape_of("causal_lm"), pa.table({"text": ["t", None]})) == ["t", ""]
    pair = pa.table({"source": ["s"], "target": ["t"]})
    assert training_targets(shape_of("translation"), pair) == ["t"]
    assert training_targets(shape_of("summarisation"), pair) == ["t"]
