"""Base models on a line's rows: probed and held against each other, on a real store."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.evaluation.base_models.choosing import PASSES, choose
from tasks.evaluation.base_models.ground import ChoiceGround
from tasks.evaluation.base_models.probing import probe_model, probed_rows, read_answers
from tasks.evaluation.base_models.settings import ProbeSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.records.choice import Choice, FoundModel, Number, ProbedModel
from tasks.records.data import DataReport
from tasks.records.training import BaseModel
from tasks.reporting.base_models import choice_markdown, facts_table, probe_table
from tasks.task_types.limits import TokenLimits
from tasks.tokenization.base_model import find
from tasks.tokenization.settings import BaseModelSettings
from tests.integration.test_sweep_stages import put, rows_of

KIND = "classification"
LIMITS = TokenLimits(max_length=32)
PROBE = ProbeSettings(train_rows=150, validation_rows=100)
EVALUATION = EvaluationSettings(repeats=4_000, min_label_rows=5, margin=0.2).of_one_model


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(
    store: ObjectStore, topics: tuple[DataReport, BaseModel], tmp_path_factory: Any
) -> DataReport:
    """The topics with more validation rows, taken from the training rows, and none else."""
    rows = rows_of(store, topics[0], tmp_path_factory.mktemp("topics"))
    numbers = np.arange(rows.num_rows)
    moved = pc.if_else(pa.array((numbers >= 140) & (numbers < 240)), "validation", rows["split"])
    rows = rows.set_column(rows.schema.get_field_index("split"), "split", moved)
    counts = {"train": 140, "validation": 100, "test": 60}
    return replace(put(store, topics[0], rows, "choice"), rows_by_split=counts)


@pytest.fixture(scope="module")
def small_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model without its upper layer, with a card."""
    folder = tmp_path_factory.mktemp("small") / "model"
    model = AutoModel.from_pretrained(tiny_model)
    model.encoder.layer = model.encoder.layer[:1]
    model.config.num_hidden_layers = 1
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    return folder


@pytest.fixture(scope="module")
def blind_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one that gives all texts nearly the same vector."""
    folder = tmp_path_factory.mktemp("blind") / "model"
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    model = BertModel(config)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.zero_()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def looked_up(folder: Path | str) -> FoundModel:
    return find(BaseModelSettings(reference=str(folder)))


def probed(
    store: ObjectStore, data: DataReport, folder: Path | str, kind: str = KIND,
    limits: TokenLimits = LIMITS,
) -> ProbedModel:  # fmt: skip
    base = looked_up(folder).base
    assert base is not None
    return probe_model(base, data, kind, limits, PROBE, 0, store=store)


# The same probe is made once for all tests.
KNOWN: dict[tuple[str, str], ProbedModel] = {}


def kept_probe(store: ObjectStore, data: DataReport, folder: Path | str) -> ProbedModel:
    key = (data.clean.sha256, str(folder))
    if key not in KNOWN:
        KNOWN[key] = probed(store, data, folder)
    return KNOWN[key]


def ground_of(data: DataReport, **changes: Any) -> ChoiceGround:
    made = ChoiceGround("topics", data, KIND, LIMITS, PROBE, EVALUATION, 3, 7.0)
    return replace(made, **changes)


def chosen(
    store: ObjectStore, data: DataReport, folders: Sequence[Path | str], **changes: Any
) -> Choice:
    models = []
    for folder in folders:
        found = looked_up(folder)
        models.append((found, kept_probe(store, data, folder) if found.base else None))
    return choose(ground_of(data, **changes), models, str(folders[0]), store=store)


def test_the_probe_learns_training_rows_and_answers_validation_rows(
    store: ObjectStore, data: DataReport, tiny_model: Path
) -> None:
    found = kept_probe(store, data, tiny_model)
    assert (found.reason, found.no_probe) == ("", "")
    assert (found.train_rows, found.validation_rows) == (140, 100)
    assert found.answers is not None
    assert found.row_s is not None
    assert 0 < found.row_s < 1
    rows = probed_rows(data, KIND, "validation", 100, store)
    answers = read_answers(found.answers, rows, store)
    right = [data.labels.index(label) for label in rows["label"].to_pylist()]
    assert np.mean(np.array(answers["predicted"]) == right) > 0.8
    with pytest.raises(DataError, match="are of other rows"):
        read_answers(found.answers, rows.slice(1), store)
    # The head is counted, as a run trains it.
    base = AutoModel.from_pretrained(tiny_model).num_parameters()
    assert found.parameters == base + 32 * 3 + 3


def test_no_test_row_is_read(
    store: ObjectStore, data: DataReport, tiny_model: Path, tmp_path: Path
) -> None:
    """What is measured is the same where there are none, and where their labels are wrong."""
    rows = rows_of(store, data, tmp_path)
    is_test = pc.equal(rows["split"], "test")
    without = put(store, data, rows.filter(pc.invert(is_test)), "choice-without")
    wrong = pc.if_else(is_test, "nothing", rows["label"])
    place = rows.schema.get_field_index("label")
    spoilt = put(store, data, rows.set_column(place, "label", wrong), "choice-spoilt")
    wanted = kept_probe(store, data, tiny_model)
    for other in (without, spoilt):
        found = probed(store, other, tiny_model)
        assert replace(found, row_s=0.0) == replace(wanted, row_s=0.0)
        compared = choose(
            ground_of(other), [(looked_up(tiny_model), found)], str(tiny_model), store=store
        )
        assert compared.candidates[0].quality == (
            choose(ground_of(data), [(looked_up(tiny_model), wanted)], "", store=store)
            .candidates[0].quality
        )  # fmt: skip


def test_the_sample_is_of_the_first_rows_by_id(store: ObjectStore, data: DataReport) -> None:
    rows = probed_rows(data, KIND, "train", 20, store)
    assert rows["row_id"].to_pylist() == [f"{number:064x}" for number in range(20)]
    assert probed_rows(data, KIND, "train", 10_000, store).num_rows == 140


def test_the_smallest_that_is_as_good_is_recommended_in_any_order(
    store: ObjectStore, data: DataReport, tiny_model: Path, small_model: Path, blind_model: Path
) -> None:
    folders = [tiny_model, small_model, blind_model]
    choice = chosen(store, data, folders)
    by_name = {one.name: one for one in choice.candidates}
    assert choice.recommended == str(small_model)
    assert by_name[str(blind_model)].standing == "worse"
    assert {by_name[str(one)].standing for one in folders[:2]} == {"best", "as good"}
    assert choice.metric == "macro_f1"
    assert choice.confidence == pytest.approx(1 - 0.05 / 3)
    assert by_name[str(tiny_model)].is_own
    assert by_name[str(small_model)].licence == "mit"
    # Timings aside, the order does not matter.
    models = [(looked_up(one), kept_probe(store, data, one)) for one in folders]
    orders = ([0, 1, 2], [2, 0, 1], [1, 2, 0])
    told = [
        choose(ground_of(data), [models[place] for place in order], str(tiny_model), store=store)
        for order in orders
    ]
    assert told[0] == told[1] == told[2]


def test_differences_are_paired(store: ObjectStore, data: DataReport, blind_model: Path) -> None:
    """Two that answer each row alike, mostly wrongly, differ by less than either can be told."""
    copy = blind_model.parent / "copy"
    shutil.copytree(blind_model, copy, dirs_exist_ok=True)
    best, other = chosen(store, data, [blind_model, copy]).candidates
    assert other.behind_best is not None
    assert other.behind_best.value == 0
    assert best.quality == other.quality
    own, behind = (
        np.ptp([float(one.low or 0), float(one.high or 0)])
        for one in (best.quality or Number(None), other.behind_best)
    )
    assert 0 < behind < own / 1.5


def test_few_rows_do_not_make_a_small_model_good(
    store: ObjectStore, data: DataReport, tiny_model: Path, small_model: Path
) -> None:
    choice = chosen(
        store, data, [tiny_model, small_model],
        evaluation=EVALUATION.model_copy(update={"margin": 0.0}),
    )  # fmt: skip
    best, other = choice.candidates
    assert (best.standing, other.standing) == ("best", "not told")
    assert choice.recommended == best.name
    few = chosen(
        store, data, [tiny_model, small_model],
        evaluation=EVALUATION.model_copy(update={"min_label_rows": 60}),
    )  # fmt: skip
    assert few.recommended == ""
    assert "macro_f1 cannot be told: the label 'business' has" in few.why
    assert all(one.standing == "" for one in few.candidates)


def test_clusters_are_drawn_whole(
    store: ObjectStore, data: DataReport, tiny_model: Path, tmp_path: Path
) -> None:
    """Of fewer clusters than an interval needs, none is made."""
    rows = rows_of(store, data, tmp_path)
    clusters = [f"c{number % 6}" for number in range(rows.num_rows)]
    clustered = put(store, data, rows.append_column("cluster", pa.array(clusters)), "clustered")
    choice = chosen(store, clustered, [tiny_model])
    quality = choice.candidates[0].quality
    assert quality is not None
    assert quality.value is None
    assert "6 clusters say too little" in quality.reason
    assert choice.recommended == ""


def test_a_training_is_estimated_by_the_seconds_a_row(
    store: ObjectStore, data: DataReport, tiny_model: Path
) -> None:
    found = replace(kept_probe(store, data, tiny_model), row_s=2.0)
    choice = choose(ground_of(data), [(looked_up(tiny_model), found)], "", store=store)
    one = choice.candidates[0]
    assert one.training_s == 2.0 * 140 * 3 * PASSES
    assert one.training_cost == pytest.approx(2.0 * 140 * 3 * PASSES / 3600 * 7.0)
    assert "140 rows x epochs 3 x 3 passes" in choice.basis
    free = choose(
        ground_of(data, machine_hour_cost=None), [(looked_up(tiny_model), found)], "", store=store
    )
    assert free.candidates[0].training_cost is None


def with_config(folder: Path, source: Path, **changes: Any) -> Path:
    shutil.copytree(source, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_what_a_run_would_refuse_is_a_row_with_its_reason(
    store: ObjectStore, data: DataReport, tiny_model: Path, small_model: Path, tmp_path: Path
) -> None:
    """The rest goes on."""
    code = with_config(tmp_path / "code", tiny_model, auto_map={"AutoModel": "m.Own"})
    unlike = with_config(tmp_path / "unlike", tiny_model, num_hidden_layers=5)
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny_model, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    folders = [tiny_model, code, unlike, pickled, broken, "hfl/rbt3", tmp_path / "nowhere"]
    choice = chosen(store, data, folders)
    reasons = {Path(one.name).name: one for one in choice.candidates}
    assert choice.recommended == str(tiny_model)
    assert "transformers would run code" in reasons["code"].reason
    assert "of its own weights" in reasons["unlike"].reason
    assert "pickled" in reasons["pickled"].reason
    assert "cannot be loaded" in reasons["broken"].reason
    assert {name for name, one in reasons.items() if not one.at_hand} == {"rbt3", "nowhere"}
    assert "set base_model.revision to a commit hash" in reasons["rbt3"].reason
    assert [one.reason == "" for one in choice.candidates] == [True] + [False] * 6


def test_a_model_that_takes_fewer_tokens_than_the_line_reads_is_told(
    store: ObjectStore, data: DataReport, tiny_model: Path
) -> None:
    found = probed(store, data, tiny_model, limits=TokenLimits(65))
    assert found.reason == "it takes at most 64 tokens, and tokenization.max_length is 65"
    assert probed(store, data, tiny_model, limits=TokenLimits(64)).reason == ""


def test_a_task_type_without_a_probe_has_a_table_and_no_recommendation(
    store: ObjectStore, data: DataReport, tiny_model: Path, tmp_path: Path
) -> None:
    rows = rows_of(store, data, tmp_path)
    words = pa.array([text.split() for text in rows["text"].to_pylist()])
    tags = pa.array([["O"] * len(one) for one in words.to_pylist()])
    tagged = put(
        store, data, rows.append_column("tokens", words).append_column("tags", tags), "tagged"
    )
    tagged = replace(tagged, task_type="tagging", labels=("B-a", "O"))
    found = probed(store, tagged, tiny_model, "tagging")
    assert found.parameters > 0
    assert found.answers is None
    assert "the task_type is tagging" in found.no_probe
    choice = choose(
        ground_of(tagged, task_type="tagging"), [(looked_up(tiny_model), found)], "", store=store
    )
    assert choice.recommended == ""
    assert "the task_type is tagging" in choice.why
    assert not probe_table(choice)[1]
    assert len(facts_table(choice)[1]) == 1


def test_tables_hold_every_candidate(
    store: ObjectStore, data: DataReport, tiny_model: Path, small_model: Path
) -> None:
    choice = chosen(store, data, [tiny_model, small_model, "hfl/rbt3"])
    heads, facts = facts_table(choice)
    assert {len(row) for row in facts} == {len(heads)}
    heads, rows = probe_table(choice)
    assert {len(row) for row in rows} == {len(heads)}
    assert [row[0] for row in rows].count("*") == 1
    assert len(rows) == 3  # two that can be taken, and the words alone
    page = choice_markdown(choice)
    assert "not at hand" in page
    assert "no test row was read" in page
