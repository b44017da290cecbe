import pytest
from pydantic import ValidationError

from infra.errors import SettingsError
from tasks.sources.columns import columns_to_read
from tasks.sources.settings import (
    AnnotatedSource,
    HubSource,
    RelationsSource,
    SqlSource,
    TableSource,
    TextFilesSource,
    keeps_lines,
)
from tasks.task_types.row_shapes import shape_of
from tests.source_files import SOURCE, settings_of


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"format": "csv", "path": "a.csv", "group_columns": ["gender"]}, TableSource),
        ({"format": "text_files", "path": "*/*.txt"}, TextFilesSource),
        ({"format": "squad", "path": "a.json"}, AnnotatedSource),
        ({"format": "semeval", "path": "a.txt"}, RelationsSource),
        ({"format": "hub", "dataset": "./rows"}, HubSource),
        ({"format": "sql", "url": "sqlite:////rows.db", "query": "select 1"}, SqlSource),
    ],
)
def test_format_decides_which_settings_apply(settings: dict[str, object], kind: type) -> None:
    assert isinstance(settings_of(**settings), kind)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"format": "csv", "path": "a.csv", "unit": "line"}, "unit"),
        ({"format": "text_files", "path": "a", "columns": {"text": "x"}}, "columns"),
        ({"format": "xlsx", "path": "a.xlsx"}, "'csv', 'tsv', 'json', 'jsonl', 'parquet', 'arrow'"),
        ({"format": "csv", "path": "a.csv", "encoding": "utf-9"}, "no encoding of text"),
        ({"format": "csv", "path": "a.csv", "encoding": "rot13"}, "no encoding of text"),
        ({"format": "csv", "path": "a.csv", "encoding": "unicode_escape"}, "no encoding of text"),
        ({"format": "csv", "path": "a.csv", "encoding": "undefined"}, "no encoding of text"),
        ({"format": "csv", "path": "a.csv", "fallback_encoding": "x"}, "no encoding of text"),
        (
            {"format": "csv", "path": "a", "encoding": "utf-16", "fallback_encoding": "cp1252"},
            "'cp1252' cannot stand beside 'utf-16'",
        ),
        (
            {"format": "csv", "path": "a", "fallback_encoding": "utf-16-le"},
            "the lines of utf-16-le are not told by their bytes",
        ),
        ({"format": "csv", "path": "a.csv", "delimiter": '"'}, "cannot part the fields"),
        ({"format": "csv", "path": "a.csv", "delimiter": "\n"}, "cannot part the fields"),
        ({"format": "csv", "path": "a", "columns": {"text": "x", "label": "x"}}, "named twice"),
        (
            {"format": "csv", "path": "a", "columns": {"text": "x"}, "group_columns": ["x"]},
            "named twice",
        ),
        ({"format": "csv", "path": "a.csv", "group_columns": ["split"]}, "Assayline itself uses"),
        ({"format": "csv", "path": "a.csv", "cluster_column": "row_id"}, "Assayline itself uses"),
        ({"format": "csv", "path": "/a.csv", "package": "p"}, "must lie inside package 'p'"),
        ({"format": "csv", "path": "../a.csv", "package": "p"}, "must lie inside package 'p'"),
        ({"format": "csv", "path": "s3://b/a.csv", "package": "p"}, "must lie inside package 'p'"),
        ({"format": "csv", "path": "a.csv", "package": "p.q"}, "package"),
        ({"format": "csv", "path": "a.csv", "max_rows": 0}, "max_rows"),
    ],
)
def test_wrong_source_settings_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings_of(**settings)


def test_schema_says_any_of_so_that_every_prefect_form_shows_it() -> None:
    schema = SOURCE.json_schema()
    assert len(schema["anyOf"]) == 9
    assert "oneOf" not in schema


def test_encoding_with_a_byte_order_mark_is_the_one_without() -> None:
    settings = settings_of(format="csv", path="a", encoding="UTF_8_SIG")
    assert isinstance(settings, TableSource)
    assert settings.encoding == "utf-8"


@pytest.mark.parametrize(
    ("encoding", "kept"),
    [("utf-8", True), ("cp1252", True), ("gb18030", True), ("shift_jis", True),
     ("utf-16", False), ("utf-16-le", False), ("utf-32", False), ("cp037", False),
     ("utf-7", False), ("iso2022_jp", False)],
)  # fmt: skip
def test_lines_of_an_encoding(encoding: str, *, kept: bool) -> None:
    assert keeps_lines(encoding) is kept


def test_columns_to_read_are_those_of_the_shape_then_groups_then_the_cluster() -> None:
    settings = settings_of(
        format="jsonl", path="a", columns={"text": "body"}, group_columns=["gender", "age"],
        cluster_column="gender",
    )  # fmt: skip
    read = columns_to_read(settings, shape_of("regression"))
    assert [(column.name, column.source, column.kind) for column in read] == [
        ("text", "body", "text"), ("target", "target", "number"), ("gender", "gender", "groups"),
        ("age", "age", "groups"), ("cluster", "gender", "label"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"body": "text"}, "no column 'body'; it has text, label"),
        ({"txt": "body"}, "did you mean 'text'"),
        ({"text": "label"}, "'label' would be 'text' and another column as well"),
    ],
)
def test_columns_that_the_task_type_lacks_are_refused(columns: dict[str, str], said: str) -> None:
    settings = settings_of(format="csv", path="a", columns=columns)
    with pytest.raises(SettingsError, match=said):
        columns_to_read(settings, shape_of("classification"))
