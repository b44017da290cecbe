"""Whether a teacher suits its student: everything that is wrong in one message, or its digests."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BartConfig,
    BartForSequenceClassification,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

from infra.base_models import fingerprint
from infra.errors import SettingsError
from infra.transformers_logs import quiet_transformers
from tasks.records.distillation import RegisteredTeacher
from tasks.records.evaluation import Champion
from tasks.records.training import BaseModel
from tasks.training.distillation.settings import DistillationSettings
from tasks.training.distillation.teacher import Student, check_labels, pin_teacher

KIND = "classification"
LABELS = ("bad", "good")


@pytest.fixture(scope="module")
def base(tiny_model: Path) -> BaseModel:
    found = fingerprint(tiny_model)
    return BaseModel(str(tiny_model), None, found.sha256, found.tokenizer_sha256)


Make = Callable[..., Path]


@pytest.fixture
def make(tiny_model: Path, tmp_path: Path) -> Make:
    """A teacher of four layers in a folder, with the tokenizer of the tiny model."""

    def made(kind: Any = BertForSequenceClassification, **changes: Any) -> Path:
        folder = tmp_path / "teacher"
        settings = {
            "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2,
            "intermediate_size": 64, "max_position_embeddings": 64, "vocab_size": 600,
            "id2label": dict(enumerate(("good", "bad"))), "problem_type":
            "single_label_classification",
        }  # fmt: skip
        torch.manual_seed(0)
        with quiet_transformers():
            kind(BertConfig(**{**settings, **changes})).save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(tiny_model / name, folder / name)
        return folder

    return made


def settings_for(folder: Path, **others: Any) -> DistillationSettings:
    return DistillationSettings.model_validate({"teacher": {"folder": str(folder)}, **others})


def test_a_teacher_that_fits_is_known_by_its_digests(make: Make, base: BaseModel) -> None:
    folder = make()
    settings = settings_for(folder, student_layers=[0, 3])
    teacher = pin_teacher(settings, None, Student(KIND, None, 64, LABELS))
    assert teacher.model.sha256 == fingerprint(folder).sha256
    assert teacher.labels == ("good", "bad")
    assert teacher.layers == 4
    assert teacher.name == f"the folder {folder}"
    assert teacher.version.data_uri == ""
    # The tokenizer is that of the base model, in whatever form its files have it.
    assert pin_teacher(settings_for(folder), None, Student(KIND, base, 64, None)) == teacher


def test_all_that_is_wrong_is_said_at_once(make: Make, base: BaseModel) -> None:
    folder = make(id2label={0: "good", 1: "fair"}, max_position_embeddings=32)
    words = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = words["model"]["vocab"]
    vocabulary["the"], vocabulary["a"] = vocabulary["a"], vocabulary["the"]
    (folder / "tokenizer.json").write_text(json.dumps(words))
    settings = settings_for(folder, student_layers=[2, 4, 9])
    with pytest.raises(SettingsError) as refused:
        pin_teacher(settings, None, Student(KIND, base, 64, LABELS))
    for said in (
        f"the folder {folder} cannot teach this line",
        "its labels are fair, good",
        "are bad, good; right would be the same set",
        "another tokenizer (vocabulary ",
        "student_layers names [4, 9], and it has 4 layers; right would be some of 0 to 3",
        "max_length is 64, and it takes at most 32 tokens; set it to 32 or less",
    ):
        assert said in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (BertForTokenClassification, {}, "is a BertForTokenClassification"),
        (
            BertForSequenceClassification, {"problem_type": "multi_label_classification"},
            "has the problem_type multi_label_classification",
        ),
    ],
    ids=["head", "problem type"],
)  # fmt: skip
def test_a_folder_of_another_task_type_is_refused(
    make: Make, kind: Any, changes: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        pin_teacher(settings_for(make(kind, **changes)), None, Student(KIND, None, 32, None))


def test_a_regressor_must_say_in_which_units_it_speaks(make: Make) -> None:
    folder = make(id2label={0: "LABEL_0"}, problem_type="regression")
    with pytest.raises(SettingsError, match="has no target_mean and no target_scale"):
        pin_teacher(settings_for(folder), None, Student("regression", None, 32, None))


def test_a_registered_version_of_another_task_type_is_refused(make: Make) -> None:
    folder = make()
    registered = RegisteredTeacher(Champion("news", 3, "0" * 64, "", str(folder)), "tagging")
    settings = DistillationSettings.model_validate({"teacher": {"line": "news"}})
    with pytest.raises(
        SettingsError,
        match=r"version 3 of news cannot teach this line: .* of task type tagging, and the line is "
        r"of classification",
    ):
        pin_teacher(settings, registered, Student(KIND, None, 32, None))


def test_each_layer_is_compared_with_one_at_the_same_share_of_the_teacher_s(
    make: Make, base: BaseModel
) -> None:
    folder = make()  # four layers of width 32; the tiny model has two
    found = []
    for states in ({}, {"layers": [2]}):
        settings = settings_for(folder, hidden_states=states)
        found.append(pin_teacher(settings, None, Student(KIND, base, 32, LABELS)).compared)
    taken = settings_for(folder, hidden_states={}, student_layers=[0, 1, 3])
    found.append(pin_teacher(taken, None, Student(KIND, None, 32, LABELS)).compared)
    assert found == [((0, 0), (1, 2), (2, 4)), ((2, 4),), ((0, 0), (1, 1), (2, 3), (3, 4))]
    plain = pin_teacher(settings_for(folder), None, Student(KIND, base, 32, LABELS))
    assert (plain.width, plain.compared) == (32, ())


def test_hidden_states_of_another_width_or_of_no_layer_are_refused(
    make: Make, base: BaseModel
) -> None:
    settings = settings_for(make(hidden_size=48), hidden_states={"layers": [1, 3]})
    with pytest.raises(SettingsError) as refused:
        pin_teacher(settings, None, Student(KIND, base, 32, LABELS))
    for said in (
        "hidden states have 48 numbers where those of base_model have 32",
        "hidden_states.layers names [3], and the student has 2 layers; right would be some of 0 to",
    ):
        assert said in str(refused.value)


def test_hidden_states_of_a_model_with_an_encoder_and_a_decoder_are_refused(
    make: Make, base: BaseModel
) -> None:
    """Such a model gives them under other names, and there is no one stack to compare."""
    folder = make()
    config = BartConfig(
        vocab_size=600, d_model=32, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=64,
        decoder_ffn_dim=64, encoder_attention_heads=2, decoder_attention_heads=2,
        max_position_embeddings=64, id2label={0: "bad", 1: "good"},
        problem_type="single_label_classification",
    )  # fmt: skip
    with quiet_transformers():
        BartForSequenceClassification(config).save_pretrained(folder)
    with pytest.raises(SettingsError, match="type bart has an encoder and a decoder"):
        pin_teacher(settings_for(folder, hidden_states={}), None, Student(KIND, base, 32, LABELS))
    assert pin_teacher(settings_for(folder), None, Student(KIND, base, 32, LABELS)).compared == ()


def test_vectors_of_another_width_are_refused(make: Make, base: BaseModel) -> None:
    folder = make(BertModel, hidden_size=48, problem_type=None)
    student = Student("sentence_embedding", base, 32, None)
    with pytest.raises(SettingsError, match="task_type sentence_embedding compares vectors of one"):
        pin_teacher(settings_for(folder), None, student)


def test_tokenizers_that_hide_words_otherwise_are_refused(make: Make, base: BaseModel) -> None:
    folder = make(BertForMaskedLM, problem_type=None)
    student = Student("masked_lm", base, 32, None)
    assert pin_teacher(settings_for(folder), None, student)
    path = folder / "tokenizer_config.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "mask_token": None}))
    with pytest.raises(SettingsError, match="they would not read the same masked words"):
        pin_teacher(settings_for(folder), None, student)


def test_labels_that_only_the_rows_tell_are_held_against_it_later(make: Make) -> None:
    teacher = pin_teacher(settings_for(make()), None, Student(KIND, None, 32, None))
    check_labels(teacher, ("bad", "good"))
    with pytest.raises(SettingsError, match="are bad, good, ugly; right would be the same set"):
        check_labels(teacher, ("bad", "good", "ugly"))
