"""What a row is made of."""

from typing import Final

from tasks.task_types.rows import Column, RowShape

SHAPE: Final = RowShape(
    task_type="tagging",
    columns=(
        Column(
            "tokens",
            "texts",
            is_input=True,
            examples=("Ada lives in Paris .", "小明 住 在 北京 。"),
        ),
        Column("tags", "tags"),
    ),
    leading="entity_f1",
    label_column="tags",
    min_labels=1,
    tagged_column="tokens",
    file_formats=frozenset({"conll"}),
)
