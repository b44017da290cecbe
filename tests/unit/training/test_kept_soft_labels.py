"""By what the answers of a teacher are kept: all that shapes them, and nothing else."""

from dataclasses import replace

from infra.store import Artifact
from tasks.records.distillation import Asked, Teacher
from tasks.records.evaluation import Champion
from tasks.records.training import BaseModel, Tokens
from tasks.task_types.soft_labels import SOFT_LABELS
from tasks.training.distillation.soft_labels import _key

TOKENS = Tokens(
    artifact=Artifact("s3://artifacts/tokens/a", "ab" * 32, 1), labels=(), max_length=64,
    rows_by_split={"train": 9}, tokens_by_split={"train": 99}, truncated_by_split={},
    max_target_length=128,
)  # fmt: skip
TEACHER = Teacher(BaseModel("t", None, "cd" * 32, "ef" * 32), Champion("t", 1, "cd" * 32), (), 2)
WRITES, ASKED = Asked(1.0, outputs=False, writes=True), Asked(1.0)


def key_of(tokens: Tokens, asked: Asked) -> str:
    return _key(tokens, TEACHER, "translation", asked, SOFT_LABELS.load("translation"), 0)


def test_what_a_teacher_wrote_is_kept_by_the_length_at_which_it_was_cut() -> None:
    """The rows' own targets may be shorter than either, so that the tokens are the same."""
    shorter = replace(TOKENS, max_target_length=16)
    assert key_of(TOKENS, WRITES) != key_of(shorter, WRITES)
    as_the_source = replace(TOKENS, max_target_length=0)
    assert key_of(as_the_source, WRITES) != key_of(replace(as_the_source, max_length=32), WRITES)
    # Of the rows' own targets it is asked by their tokens alone.
    assert key_of(TOKENS, ASKED) == key_of(shorter, ASKED)
