"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import Column, Entity, RowShape

_TEXTS: Final = ("Ada lives in Bonn.", "阿达住在波恩。")

SHAPE: Final = RowShape(
    task_type="relation_extraction",
    columns=(
        Column("text", "text", is_input=True, examples=_TEXTS),
        Column("subject_start", "integer", is_input=True, examples=("0", "0")),
        Column("subject_end", "integer", is_input=True, examples=("3", "2")),
        Column("subject_type", "label", is_input=True, examples=("person", "人物")),
        Column("object_start", "integer", is_input=True, examples=("13", "4")),
        Column("object_end", "integer", is_input=True, examples=("17", "6")),
        Column("object_type", "label", is_input=True, examples=("city", "地点")),
        Column("relation", "label"),
    ),
    leading="micro_f1",
    label_column="relation",
    entities=(
        Entity(text="text", start="subject_start", end="subject_end", type="subject_type"),
        Entity(text="text", start="object_start", end="object_end", type="object_type"),
    ),
    file_formats=frozenset({"tacred", "semeval"}),
)
