"""CoNLL as people have it: comments, CoNLL-U, more columns than two, and other tag schemes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import DataError
from tasks.sources.tag_schemes import as_bio
from tests.source_files import read_file

CONLL = "# id 0000 domain=en\nw1 _ _ O\nw2 _ _ B-PER\n\n# id 0001\n# text = a\nw3 _ _ O\n"


def test_comments_before_a_sentence_of_conll_are_no_tokens(tmp_path: Path) -> None:
    path = tmp_path / "rows.conll"
    path.write_text(
        CONLL + "\n# a comment alone, of some words\n\n# NN\nwins VB\n\n#\tO\na\tO\n# b c\n"
    )
    read = read_file(path, "tagging", format="conll")
    assert read.column("tokens") == [["w1", "w2"], ["w3"], ["#", "wins"], ["#", "a", "#"]]
    assert read.column("tags") == [["O", "B-PER"], ["O"], ["NN", "VB"], ["O", "O", "c"]]
    assert read.broken == []


CONLL_U = (
    "# sent_id = 1\n# newdoc\n"
    "1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_\n2\tnos\tnosotros\tPRON\t\t_\t1\tobj\t_\t_\n"
    "2.1\tx\t_\tVERB\t_\t_\t_\t_\t_\t_\n\n"
)


def test_conll_u_is_read_by_named_fields_and_refused_without(tmp_path: Path) -> None:
    path = tmp_path / "rows.conll"
    path.write_text(CONLL_U)
    columns = {"tokens": 1, "tags": 3}
    read = read_file(path, "tagging", format="conll", columns=columns)
    assert read.column("tokens") == [["vamos", "nos"]]
    assert read.column("tags") == [["VERB", "PRON"]]
    with pytest.raises(DataError, match=r"line 3, is a word of CoNLL-U.*tokens: 1, tags: 3"):
        read_file(path, "tagging", format="conll")


def test_fields_of_conll_are_counted_from_either_end(tmp_path: Path) -> None:
    path = tmp_path / "rows.conll"
    path.write_text("EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nshort NN\n")
    read = read_file(path, "tagging", format="conll", columns={"tags": 2})
    assert read.column("tags") == [["B-NP", "B-VP"]]
    assert read.reasons() == [(4, "wrong number of fields")]
    assert read_file(path, "tagging", format="conll", columns={"tags": -2}).column("tags") == [
        ["B-NP", "B-VP"], ["short"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scheme", "tags", "bio"),
    [
        ("IOB1", "I-A I-A B-A O I-B I-A", "B-A I-A B-A O B-B B-A"),
        ("BIOES", "B-A I-A E-A S-B O", "B-A I-A I-A B-B O"),
        ("BILOU", "B-A I-A L-A U-B O", "B-A I-A I-A B-B O"),
        ("BIOES", "U-A X E- O", "U-A X E- O"),
        ("BIO", "I-A E-A", "I-A E-A"),
    ],
)
def test_other_tag_schemes_are_read_as_bio(
    tmp_path: Path, scheme: str, tags: str, bio: str
) -> None:
    path = tmp_path / "rows.conll"
    path.write_text("".join(f"w\t{tag}\n" for tag in tags.split()))
    read = read_file(path, "tagging", format="conll", tag_scheme=scheme)
    assert read.column("tags") == [bio.split()]


@given(st.lists(st.sampled_from(["B-A", "I-A", "B-B", "I-B", "O"]), max_size=8))
def test_tags_of_bio_come_back_from_every_scheme(tags: list[str]) -> None:
    spans = as_bio(tags, "IOB1")  # opens whatever goes on with nothing
    following = [*spans, "O"][1:]
    ends = [not after.startswith("I-") for after in following]
    last = {"BIOES": {"B": "S", "I": "E"}, "BILOU": {"B": "U", "I": "L"}}
    for scheme in ("BIOES", "BILOU"):
        written = [
            f"{last[scheme][tag[0]]}{tag[1:]}" if end and tag != "O" else tag
            for tag, end in zip(spans, ends, strict=True)
        ]
        assert as_bio(written, scheme) == spans
    before = ["O", *spans]
    iob1 = [
        f"I{tag[1:]}" if tag.startswith("B-") and one[2:] != tag[2:] else tag
        for tag, one in zip(spans, before, strict=False)
    ]
    assert as_bio(iob1, "IOB1") == spans
