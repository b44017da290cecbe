import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.data.contract import ContractSettings
from tasks.data.source import SourceSettings, TableSource, TextFilesSource
from tasks.data.splits import SplitSettings

SOURCE: TypeAdapter[TableSource | TextFilesSource] = TypeAdapter(SourceSettings)


def test_format_decides_which_settings_apply() -> None:
    table = SOURCE.validate_python({"format": "csv", "path": "a.csv", "group_columns": ["gender"]})
    files = SOURCE.validate_python({"format": "text_files", "path": "*/*.txt"})
    assert isinstance(table, TableSource)
    assert table.columns == ("text", "label", "gender")
    assert isinstance(files, TextFilesSource)
    assert files.group_columns == ()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"format": "csv", "path": "a.csv", "unit": "line"}, "unit"),
        ({"format": "text_files", "path": "a", "text_column": "x"}, "text_column"),
        ({"format": "xlsx", "path": "a.xlsx"}, "'csv', 'jsonl', 'parquet', 'text_files'"),
        ({"format": "csv", "path": "a.csv", "encoding": "utf-9"}, "no encoding that Python knows"),
        ({"format": "csv", "path": "a.csv", "fallback_encoding": "x"}, "no encoding"),
        ({"format": "csv", "path": "a.csv", "label_column": "text"}, "named twice"),
        ({"format": "csv", "path": "a.csv", "group_columns": ["split"]}, "Assayline itself uses"),
        ({"format": "csv", "path": "/a.csv", "package": "p"}, "must lie inside package 'p'"),
        ({"format": "csv", "path": "../a.csv", "package": "p"}, "must lie inside package 'p'"),
        ({"format": "csv", "path": "s3://b/a.csv", "package": "p"}, "must lie inside package 'p'"),
        ({"format": "csv", "path": "a.csv", "package": "p.q"}, "package"),
        ({"format": "csv", "path": "a.csv", "max_rows": 0}, "max_rows"),
    ],
)
def test_wrong_source_settings_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SOURCE.validate_python(settings)


def test_schema_says_any_of_so_that_every_prefect_form_shows_it() -> None:
    schema = SOURCE.json_schema()
    assert len(schema["anyOf"]) == 2
    assert "oneOf" not in schema


def test_shares_must_sum_to_one() -> None:
    with pytest.raises(ValidationError, match=r"must sum to 1, and sum to 0\.9"):
        SplitSettings(train=0.5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"labels": ["a"]}, "at least 2 items"),
        ({"labels": ["a", "a"]}, "named twice"),
        ({"min_text_length": 9, "max_text_length": 8}, "exceeds max_text_length 8"),
        ({"max_quarantine_share": 1.1}, "less than or equal to 1"),
        ({"min_row": 1}, "min_row"),
    ],
)
def test_wrong_contract_settings_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ContractSettings.model_validate(settings)
