"""source.strip_html: the text of a page, and nothing of a text that is none."""

import html
import json
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import SettingsError
from tasks.sources.html_text import text_of_html
from tasks.sources.preparation import check_preparation
from tasks.task_types.row_shapes import shape_of
from tests.source_files import read_file, settings_of

PIECES = st.sampled_from(
    ["<p>", "</p>", "<br>", "<b class='x'>", "</b>", "<li>", "<td>", " ", "\n", "a", "汉", "&amp;",
     "&lt;b&gt;", "<script>", "</script>", "<!-- c -->", "<", ">", "&", "<x>", "'",
     '"', "<a href="]
)  # fmt: skip


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>One.</p><p>Two.</p>", "One.\nTwo."),
        ("<ul>\n  <li>a</li>\n  <li>b <b>c</b></li>\n</ul>", "a\nb c"),
        ("Good<br/>film<br><br>really", "Good\nfilm\n\nreally"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("a<script>if (a < b) x('</p>')</script>b<style>p {}</style>c", "abc"),
        ("a<!-- <p>no</p> -->b", "ab"),
        ("<!DOCTYPE html><html><head><title>T</title></head><body>x</body></html>", "T\nx"),
        ("AT&amp;T &lt;3 caf&eacute; &#8211;&#x4E66;", "AT&T <3 café \u2013书"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("<b>&lt;i&gt; is a tag</b>", "<i> is a tag"),
        ("<![CDATA[a <b>b</b>]]>", "a b"),
        ('<img alt="a > b" src=x>c', "c"),
        ("<P>UP</P>", "UP"),
        # What only looks like HTML.
        ("a < b and c > d", "a < b and c > d"),
        ("I <3 this", "I <3 this"),
        ("List<String> names = new ArrayList<>();", "List<String> names = new ArrayList<>();"),
        ("my name is <PERSON>, <b>hi</b>", "my name is <PERSON>, hi"),
        ("never closed <b and more", "never closed <b and more"),
        ('<a href="x>never closed', '<a href="x>never closed'),
        ("say <script> to begin", "say <script> to begin"),
        ("a <!-- never closed", "a <!-- never closed"),
        ("x <a <b>y</b>", "x <a y"),
        ("  two\n\n\n lines &amp; blanks ", "  two\n\n\n lines & blanks "),
        ("AT&T & co", "AT&T & co"),
        ("", ""),
    ],
)
def test_the_text_of_a_page(page: str, text: str) -> None:
    assert text_of_html(page) == text


@settings(deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_word_of_a_text_is_lost(page: str) -> None:
    """What the standard library's parser takes for text outside of scripts is there."""
    if "script" in page:
        return
    seen: list[str] = []

    class Letters(HTMLParser):
        def handle_data(self, data: str) -> None:
            seen.append(data)

    parser = Letters()
    parser.feed(page)
    parser.close()
    letters = [letter for letter in "".join(seen) if letter in "a汉"]
    found = [letter for letter in text_of_html(page) if letter in "a汉"]
    # Ours keeps what only looks like a tag, so it may hold more.
    assert len(found) >= len(letters)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_a_text_that_is_escaped_comes_back(text: str) -> None:
    if "\r" in text or "\0" in text or not text.isprintable():
        return
    assert text_of_html(html.escape(text)) == text
    assert text_of_html(f"<p>{html.escape(text)}</p>") == text.strip()


@pytest.mark.parametrize(
    "piece", ["<", "<a ", "<a href='", "&", "<b>x</b>", "<div>", "<!--", "<script>", "</script>",
              '<a "', "<![CDATA["],
)  # fmt: skip
def test_time_grows_with_the_length_alone(piece: str) -> None:
    def seconds(times: int) -> float:
        start = time.process_time()
        text_of_html(piece * times + ">")
        return time.process_time() - start

    assert seconds(20_000) < 40 * max(seconds(2_000), 0.005)


def test_texts_of_every_kind_are_stripped_and_counted(tmp_path: Path) -> None:
    turns = [("<p>Hi</p>", "a"), ("Hi", "a < b")]
    roles = ("user", "assistant")
    rows: list[dict[str, Any]] = [
        {"messages": [{"role": r, "content": c} for r, c in zip(roles, pair, strict=True)]}
        for pair in turns
    ]
    rows.append({"messages": None})
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = read_file(path, "chat", format="jsonl", strip_html=True)
    messages: Any = found.column("messages")
    assert [chat and [turn["content"] for turn in chat] for chat in messages] == [
        ["Hi", "a"], ["Hi", "a < b"], None,
    ]  # fmt: skip
    assert found.changes.rows_with_html == 1
    pairs = [{"source": "<b>a</b>", "target": "b &amp; c"}, {"source": "a", "target": None}]
    path.write_text("\n".join(map(json.dumps, pairs)))
    found = read_file(path, "translation", format="jsonl", strip_html=True)
    assert found.column("source") == ["a", "a"]
    assert found.column("target") == ["b & c", None]
    assert found.changes.rows_with_html == 1
    assert read_file(path, "translation", format="jsonl").column("source") == ["<b>a</b>", "a"]


def test_a_label_is_no_html(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n<i>a</i>,<b>x</b>\n")
    found = read_file(path, format="csv", strip_html=True)
    assert (found.column("text"), found.column("label")) == (["a"], ["<b>x</b>"])


@pytest.mark.parametrize(
    ("task_type", "said"),
    [
        ("question_answering", "offsets of answers"),
        ("tagging", "tags of tokens"),
        ("relation_extraction", "offsets of entities"),
    ],
)
def test_rows_that_count_characters_or_tokens_are_refused(task_type: str, said: str) -> None:
    settings: Any = settings_of(format="jsonl", path="a", strip_html=True)
    with pytest.raises(SettingsError, match=rf"source.strip_html: .*{said}"):
        check_preparation(settings, shape_of(task_type))
