"""The user's prompts, terms and requests."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from infra.errors import DataError
from infra.store import ObjectStore
from tasks.probes.harm.files import Prompt, pin_files, read_prompts
from tasks.probes.harm.settings import HarmSettings
from tasks.probes.lexicon import Lexicon, folded, read_lexicon

# Local files are read without one.
NO_STORE = cast("ObjectStore", None)


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def prompts_of(folder: Path, content: str, name: str = "prompts", **others: Any) -> list[Prompt]:
    (folder / "asked.jsonl").write_text(content, encoding="utf-8")
    given = {name: str(folder / "asked.jsonl"), "min_rows": 5, "rows": 10, **others}
    settings = HarmSettings.model_validate(given)
    (file,) = pin_files(settings, NO_STORE)
    return read_prompts(name, file, settings, NO_STORE)


def lexicon_of(folder: Path, content: str) -> Lexicon:
    (folder / "asked.jsonl").write_text(lines(*({"prompt": f"p{n}"} for n in range(30))))
    (folder / "terms.txt").write_text(content, encoding="utf-8")
    settings = HarmSettings(prompts=str(folder / "asked.jsonl"), lexicon=str(folder / "terms.txt"))
    return read_lexicon("probes.harm.lexicon", pin_files(settings, NO_STORE)[1], NO_STORE)


def test_prompts_are_drawn_by_hash_each_once_a_group(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n}\u2028", "group": "a", "cluster": "c"} for n in range(12)]
    found = prompts_of(tmp_path, lines(*rows, *rows[:3]))
    assert len(found) == len(set(found)) == 10
    assert found == prompts_of(tmp_path, lines(*reversed(rows)))
    assert {one.prompt for one in found} != {
        one.prompt for one in prompts_of(tmp_path, lines(*rows), seed=1)
    }
    assert found[0].group == "a"
    assert found[0].cluster == "c"


def test_a_file_of_bold_is_read_as_it_is(tmp_path: Path) -> None:
    names = {f"Name_{n}": [f"Name {n} is an ", f"Name {n} was "] for n in range(3)}
    found = prompts_of(tmp_path, json.dumps({"judaism": names, "islam": {"A": ["A is "]}}))
    told = {(one.prompt, one.group, one.cluster) for one in found}
    assert len(told) == 7
    assert ("Name 2 was", "judaism", "Name_2") in told
    assert ("A is", "islam", "A") in told
    for wrong in ({"judaism": {"A": "A is "}}, {"judaism": ["A is "]}, {}, {"a": {"A": []}}):
        with pytest.raises(DataError, match=r'a file of BOLD: \{"group"|has 0 distinct prompts'):
            prompts_of(tmp_path, json.dumps(wrong))
    refusals = json.dumps({"judaism": {"A": ["A is "]}})
    with pytest.raises(DataError, match="right would be"):
        prompts_of(tmp_path, refusals, "refusals")


def test_a_prompt_of_two_groups_is_one_observation(tmp_path: Path) -> None:
    rows = [{"prompt": "twice", "group": group} for group in "ab"]
    rows += [{"prompt": f"p{n}"} for n in range(4)]
    found = prompts_of(tmp_path, lines(*rows))
    assert sorted((one.group, one.cluster) for one in found if one.prompt == "twice") == [
        ("a", "twice"), ("b", "twice"),
    ]  # fmt: skip
    assert {one.cluster for one in found if one.prompt != "twice"} == {None}


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ("no json", "prompts"), ("[1]", "prompts"), ('{"text": "a"}', "prompts"),
        ('{"prompt": " "}', "prompts"), ('{"prompt": "a", "group": 3}', "prompts"),
        ('{"prompt": "a", "cluster": ""}', "prompts"), ('{"prompt": "a"}', "refusals"),
        ('{"prompt": "a", "expect": "no"}', "refusals"),
        ('{"prompt": "a", "expect": ["refuse"]}', "refusals"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_shown_with_what_would_be_right(
    tmp_path: Path, row: str, name: str
) -> None:
    with pytest.raises(DataError) as refused:
        prompts_of(tmp_path, f"\n{row}\n", name)
    said = str(refused.value)
    assert f"probes.harm.{name}: line 2 of" in said
    assert repr(row) in said
    assert '{"prompt": ' in said


def test_too_few_or_contradicting_prompts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has 1 distinct prompts, and probes\.harm\.min_rows"):
        prompts_of(tmp_path, lines({"prompt": "a"}, {"prompt": "a "}))
    both = [{"prompt": "a", "expect": one} for one in ("refuse", "answer")]
    with pytest.raises(DataError, match="expects that 'a' is refused and that it is answered"):
        prompts_of(tmp_path, lines(*both), "refusals")
    many = ({"prompt": f"p{n}", "group": f"g{n}"} for n in range(101))
    with pytest.raises(DataError, match="names 101 groups, and at most 100 are told apart"):
        prompts_of(tmp_path, lines(*many))
    with pytest.raises(DataError, match=r"probes\.harm\.prompts: .* cannot be read"):
        pin_files(HarmSettings(prompts=str(tmp_path / "none.jsonl")), NO_STORE)
    (tmp_path / "asked.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="is not UTF-8"):
        pin_files(HarmSettings(prompts=str(tmp_path / "asked.jsonl")), NO_STORE)


@pytest.mark.parametrize(
    ("refuse", "rows", "said"),
    [
        (4, 60, "has 4 distinct requests with expect 'refuse', of which 4 are among the 54"),
        (8, 10, "has 8 distinct requests with expect 'refuse', of which"),
    ],
)
def test_each_side_of_the_requests_has_enough(
    tmp_path: Path, refuse: int, rows: int, said: str
) -> None:
    asked = [{"prompt": f"r{n}", "expect": "refuse"} for n in range(refuse)]
    asked += [{"prompt": f"a{n}", "expect": "answer"} for n in range(50)]
    with pytest.raises(DataError, match=said) as refused:
        prompts_of(tmp_path, lines(*asked), "refusals", rows=rows)
    assert ("raise probes.harm.rows" in str(refused.value)) is (rows == 10)
    assert len(prompts_of(tmp_path, lines(*asked[refuse:]), "refusals", rows=rows)) == min(rows, 50)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("You IDIOT!", {"idiot"}), ("idiotic", set()), ("an old  fool", set()),
        ("an Old Fool.", {"old fool"}), ("你这个笨蛋啊", {"笨蛋"}), ("他是idiot吗", {"idiot"}),
        ("\uff49\uff44\uff49\uff4f\uff54", {"idiot"}), ("", set()),
    ],
)  # fmt: skip
def test_terms_are_whole_words_and_chinese_runs(tmp_path: Path, text: str, terms: set[str]) -> None:
    lexicon = lexicon_of(tmp_path, "Idiot\n\nold fool\n笨蛋\nidiot\n")
    assert lexicon.terms == ("idiot", "old fool", "笨蛋")
    assert {lexicon.terms[place] for place in lexicon.find(text)} == terms


def test_a_lexicon_has_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2 of .* is '\$\$'; right would be a word"):
        lexicon_of(tmp_path, "fool\n$$\n")
    with pytest.raises(DataError, match="names no term"):
        lexicon_of(tmp_path, "\n \n")
    assert folded("\uff21B") == "ab"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "asks for prompts, refusals or both"),
        ({"lexicon": "/a.txt"}, "probes.harm.prompts is not set"),
        ({"lexicon": "/a.txt", "refusals": "/b"}, "probes.harm.prompts is not set"),
        ({"scorer": {"line": "a", "label": "b"}, "refusals": "/b"}, "probes.harm.scorer is asked"),
        ({"scorer": {"line": "a"}, "prompts": "/b"}, "scorer.label"),
        ({"prompts": "/a", "rows": 10, "min_rows": 30}, "nothing could be told; raise it"),
        ({"refusals": "/a", "refusal_patterns": ["(a"]}, "is no regular expression of RE2"),
        ({"refusals": "/a", "refusal_patterns": ["a*"]}, "matches an answer without any text"),
    ],
)
def test_settings_that_ask_for_nothing_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said.replace("(", r"\(")):
        HarmSettings.model_validate(given)
