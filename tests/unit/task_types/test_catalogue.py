"""What all task types have in common, so that a stage can ask any of them."""

import subprocess
import sys
from typing import get_args

import pytest

from infra.catalogue import Catalogue
from infra.errors import SettingsError
from tasks.task_types.examiner import EXAMINERS, examiner_of
from tasks.task_types.learner import LEARNERS, Method, learner_of
from tasks.task_types.limits import TokenLimits
from tasks.task_types.model_card_texts import MODEL_CARDS
from tasks.task_types.row_shapes import ROW_SHAPES, shape_of
from tasks.task_types.rows import TEXT, Column, Entity, RowShape
from tasks.task_types.server import SERVERS, server_of

LIMITS = TokenLimits(max_length=16)


@pytest.mark.parametrize("name", ROW_SHAPES.names)
def test_every_part_of_a_task_type_is_reached_by_its_name(name: str) -> None:
    assert shape_of(name).task_type == name
    learner = learner_of(name, ("a", "b"), LIMITS)
    assert (learner.name, learner.labels, learner.limits) == (name, ("a", "b"), LIMITS)
    assert learner.methods <= set(get_args(Method))
    assert not (learner.packs and learner.couples_rows)
    examiner = examiner_of(name, ("a", "b"), LIMITS, seed=3)
    assert (examiner.name, examiner.labels, examiner.seed) == (name, ("a", "b"), 3)
    script = server_of(name).script
    assert script is None or script.is_file()


def test_the_catalogues_have_the_same_names() -> None:
    catalogues = (LEARNERS, EXAMINERS, SERVERS, MODEL_CARDS)
    assert {catalogue.names for catalogue in catalogues} == {ROW_SHAPES.names}


@pytest.mark.parametrize("catalogue", [ROW_SHAPES, LEARNERS, EXAMINERS, SERVERS, MODEL_CARDS])
def test_an_unknown_name_is_refused_with_the_known_ones(catalogue: Catalogue[object]) -> None:
    with pytest.raises(SettingsError, match=r"'sorting' is unknown; known: causal_lm, chat, class"):
        catalogue.load("sorting")


def modules_after(code: str) -> set[str]:
    """The modules that an interpreter of its own has imported after this code."""
    told = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_the_row_shapes_import_nothing_heavy() -> None:
    names = "from tasks.task_types.row_shapes import ROW_SHAPES, shape_of\n"
    found = modules_after(f"{names}for name in ROW_SHAPES.names: shape_of(name)")
    assert not found & {"torch", "transformers", "numpy", "pyarrow", "pandas", "sklearn", "mlflow"}


def test_a_learner_is_looked_up_without_torch_and_without_its_examiner() -> None:
    found = modules_after(
        "from tasks.task_types.learner import LEARNERS\n"
        "for name in LEARNERS.names: LEARNERS.load(name)"
    )
    assert not found & {"torch", "transformers", "sklearn", "sacrebleu"}
    assert not [name for name in found if name.endswith((".examiner", ".server", "measures"))]


def test_a_task_type_is_loaded_alone() -> None:
    found = modules_after("from tasks.task_types.row_shapes import shape_of\nshape_of('chat')")
    loaded = {name for name in found if name.startswith("tasks.task_types.") and "rows" in name}
    assert loaded == {"tasks.task_types.rows", "tasks.task_types.language_models.chat.rows"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label_column": "lable"}, r"names \['lable'\], none of its columns \['text', 'label'\]"),
        ({"columns": (Column("label", "label"),)}, "has inputs of kind"),
        ({"columns": (Column("n", "number", is_input=True), TEXT)}, "kind .'number', 'text'"),
        ({"columns": (Column("n", "integer", is_input=True), TEXT)}, None),
        ({"columns": (Column("n", "integer", is_input=True),)}, "has inputs of kind .'integer'"),
        (
            {"entities": (Entity(text="text", start="a", end="b", type="c"),)},
            "names .'a', 'b', 'c'",
        ),
        (
            {
                "columns": (
                    *(Column(name, "text", is_input=True) for name in "ab"),
                    *(Column(name, "integer", is_input=True) for name in "se"),
                ),
                "entities": tuple(Entity(text=t, start="s", end="e", type="a") for t in "ab"),
            },
            r"marks entities in \['a', 'b'\]; name one text",
        ),
        ({"label_column": "text"}, "has labels of kind text; right would be one of"),
        ({"tagged_column": "text"}, "must name a tagged_column for labels of kind tags, and for"),
        ({"file_formats": {"conll"}}, "has columns .'label', 'text'., which files of the format"),
        (
            {"columns": (TEXT, Column("split", "text"))},
            "names a column .'split'., which the stages",
        ),
    ],
)
def test_a_row_shape_that_contradicts_itself_is_refused(
    changes: dict[str, object], said: str | None
) -> None:
    right: dict[str, object] = {
        "task_type": "toy", "columns": (TEXT, Column("label", "label")), "leading": "accuracy",
    }  # fmt: skip
    RowShape(**right)
    if said is None:
        RowShape(**right | changes)
        return
    with pytest.raises(ValueError, match=f"the row shape of toy .*{said}"):
        RowShape(**right | changes)
