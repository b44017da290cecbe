"""CSV and TSV as people write them: quotes that are characters, escapes, rows of many lines."""

import csv
import io
import logging
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.sources import delimited
from tasks.sources.dialect import quotes_are_characters
from tests.source_files import Read, read_file, settings_of
from tests.unit.sources.test_two_ways import one_way

MERGED = 'text\tlabel\n"Hello there\tneg\nfoo\tpos\nbar\tpos\nhe said bye"\tneg\nlast\tpos\n'
TITLE = 'text\tlabel\n"Alien" is a fine film\tpos\nplain\tneg\n'
# A line feed and a tab in one field can look like two whole lines.
FIELD = st.text(st.sampled_from('ab"\t \\,;é'), max_size=8) | st.text(
    st.sampled_from('ab"\n \\,;é'), max_size=8
)


def read(path: Path, content: str, **of: object) -> Read:
    path.write_text(content, encoding="utf-8", newline="")
    return read_file(path, format=path.suffix[1:], **of)


def test_quotes_of_a_tsv_file_that_nobody_meant_are_characters(tmp_path: Path) -> None:
    found = read(tmp_path / "a.tsv", MERGED)
    assert found.column("text") == ['"Hello there', "foo", "bar", 'he said bye"', "last"]
    assert found.broken == []
    found = read(tmp_path / "b.tsv", TITLE)
    assert found.column("text") == ['"Alien" is a fine film', "plain"]


def test_what_was_told_of_the_quotes_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "tasks.sources"):
        read(tmp_path / "a.tsv", MERGED)
        assert "a.tsv: quotes are read as characters (source.quoting: none)" in caplog.text
        caplog.clear()
        read(tmp_path / "a.tsv", MERGED, quoting="none")
        read(tmp_path / "b.tsv", 'text\tlabel\n"a ""b"" c"\tx\n')
    assert "quotes" not in caplog.text


def test_the_settings_overrule_what_the_lines_show(tmp_path: Path) -> None:
    assert len(read(tmp_path / "a.tsv", MERGED, quoting="double").rows) == 2
    as_csv = MERGED.replace("\t", ",")
    assert len(read(tmp_path / "a.csv", as_csv).rows) == 2  # RFC 4180 is what CSV is
    literal = read(tmp_path / "a.csv", as_csv, quoting="none")
    assert literal.column("text")[0] == '"Hello there'
    assert len(literal.rows) == 5


@pytest.mark.parametrize("how", [{}, {"quoting": csv.QUOTE_ALL}, {"quoting": csv.QUOTE_NONNUMERIC}])
def test_what_pandas_writes_as_tsv_comes_back(tmp_path: Path, how: dict[str, int]) -> None:
    texts = ['say "hi"', "a\ttab", "two\nlines", "plain", '"all"', ""]
    frame = pd.DataFrame({"text": texts, "label": list("abcabc")})
    content = frame.to_csv(sep="\t", index=False, **how)
    assert read(tmp_path / "a.tsv", content).column("text") == texts


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=6))
def test_a_quoted_tsv_is_never_taken_for_one_without_quotes(
    tmp_path: Path, rows: list[tuple[str, str]]
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter="\t", lineterminator="\n")
    writer.writerows([("text", "label"), *rows])
    if any('"' in field or "\t" in field or "\n" in field for row in rows for field in row):
        assert not quotes_are_characters(file.getvalue().encode(), "\t")


LITERAL = st.text(st.sampled_from('ab" \\,é'), max_size=6)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(LITERAL, LITERAL), min_size=1, max_size=8))
def test_without_quotes_each_line_is_a_row_both_ways(
    tmp_path: Path, rows: list[tuple[str, str]]
) -> None:
    content = "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows)
    found = read(tmp_path / "a.tsv", content, quoting="none")
    assert [(row["text"], row["label"]) for row in found.rows] == rows
    with one_way(delimited._DelimitedReader):
        assert read(tmp_path / "a.tsv", content, quoting="none") == found


def test_escaped_quotes_and_delimiters(tmp_path: Path) -> None:
    content = 'text,label\n"He said \\"hi\\", twice",a\nb\\,c,d\n'
    found = read(tmp_path / "a.csv", content, escape="\\")
    assert found.column("text") == ['He said "hi", twice', "b,c"]
    found = read(
        tmp_path / "b.csv", 'text,label\nsay \\"no\\, never,a\n', escape="\\", quoting="none"
    )
    assert found.column("text") == ['say "no, never']


def test_an_escape_that_means_something_else_is_refused() -> None:
    for escape in (",", '"', "\n", "ab"):
        with pytest.raises(ValidationError, match="escape"):
            settings_of(format="csv", path="a.csv", escape=escape)


def test_the_row_that_swallows_lines_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = "".join(f"text {n},a\n" for n in range(150))
    content = f'text,label\nfirst,a\n"opened,a\n{lines}closed",b\nlast,a\n'
    for slow in (False, True):
        caplog.clear()
        if slow:
            with one_way(delimited._DelimitedReader):
                read(tmp_path / "a.csv", content)
        else:
            read(tmp_path / "a.csv", content)
        assert "the row at line 3 takes 152 lines" in caplog.text
        assert "source.quoting: none" in caplog.text


def test_a_row_of_some_paragraphs_is_nothing_to_tell(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read(tmp_path / "a.csv", 'text,label\n"' + "para\n\n" * 40 + '",b\n')
    assert caplog.text == ""
