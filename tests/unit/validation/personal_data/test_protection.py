# ruff: noqa: RUF001 - Chinese has punctuation of its own
"""What the policy says becomes of rows of every shape, and what is counted."""

import random
from collections import Counter
from collections.abc import Callable
from functools import cache

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.records.data import PersonalData
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.rows import arrow_type
from tasks.validation.personal_data.findings import PLACEHOLDERS
from tasks.validation.personal_data.protection import Protected, Protector
from tasks.validation.personal_data.settings import PrivacySettings

SENTENCES = [
    "Profits at the group jumped 76% to $1.13bn (£600m) for the three months to December.",
    "She beat the world number 7 by 6-3 4-6 7-6 (7-5) in 2 hours and 12 minutes.",
    "The 24-year-old signed a 3-year deal on 05/06/2004 for £1,250,000.",
    "该公司2004年第4季度利润增长了76%。",
    "比赛于2008-08-08 20:08开始，共有91000人观看。",
]


def card(draw: random.Random) -> str:
    body = "4" + "".join(draw.choices("0123456789", k=14))
    # Luhn: every second digit from the last of the body on counts twice.
    twice = "".join(str(int(d) * (2 - at % 2)) for at, d in enumerate(reversed(body)))
    return body + str(-sum(map(int, twice)) % 10)


def iban(draw: random.Random) -> str:
    account = "".join(draw.choices("0123456789", k=18))
    # ISO 13616, MOD 97-10; D is 13 and E is 14.
    return f"DE{98 - int(account + '131400') % 97:02d}{account}"


def chinese_id(draw: random.Random) -> str:
    born = f"19{draw.randint(50, 99)}{draw.randint(1, 12):02d}{draw.randint(1, 28):02d}"
    body = f"110105{born}{draw.randint(0, 999):03d}"
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body))
    return body + "10X98765432"[total % 11]


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "mail": lambda draw: f"user{draw.randint(1, 10**6)}@mail.example.co.uk",
    "phone": lambda draw: f"+44 20 7946 0{draw.randint(100, 999)}",
    "card": card,
    "iban": iban,
    "ip_address": lambda draw: ".".join(str(draw.randint(1, 255)) for _ in range(4)),
    "national_id": chinese_id,
    "secret": lambda draw: "ghp_" + "".join(draw.choices("abcdefXYZ0123456789", k=36)),
}
MAIL, CARD = "zhang@example.com", "4111 1111 1111 1111"


def table(task_type: str, **columns: list[object]) -> pa.Table:
    shape = shape_of(task_type)
    kinds = {column.name: arrow_type(column.kind) for column in shape.columns}
    return pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})


def protector(task_type: str = "causal_lm", **policy: str) -> Protector:
    return Protector(PrivacySettings(policy=policy), shape_of(task_type))


def protect(task_type: str, policy: dict[str, str] | None = None, **columns) -> Protected:
    return protector(task_type, **(policy or {})).protect(table(task_type, **columns))


def planted(seed: int, rows: int) -> tuple[list[str], Counter[str], Counter[str]]:
    """Texts with up to three values each; how many of each kind, and rows with each."""
    draw = random.Random(seed)
    texts, values, holders = [], Counter(), Counter()
    for _ in range(rows):
        kinds = draw.choices(list(MAKERS), k=draw.randint(0, 3))
        parts = [draw.choice(SENTENCES)]
        for kind in kinds:
            before, after = draw.choice([("see ", " there. "), ("参见", "。"), ("(", ") ")])
            parts += [before + MAKERS[kind](draw) + after, draw.choice(SENTENCES)]
        texts.append("".join(parts))
        values.update(kinds)
        holders.update(set(kinds))
    return texts, values, holders


def test_as_many_are_found_as_were_planted_over_all_shards():
    texts, values, holders = planted(seed=3, rows=600)
    guard = protector()
    for start in range(0, len(texts), 250):
        guard.protect(table("causal_lm", text=texts[start : start + 250]))
    found = {one.kind: (one.rows, one.findings) for one in guard.findings()}
    assert found == {kind: (holders[kind], values[kind]) for kind in MAKERS}
    assert {one.action for one in guard.findings()} == {"redact"}


def test_each_placeholder_stands_where_its_value_stood():
    texts, values, _ = planted(seed=4, rows=200)
    redacted = protect("causal_lm", text=texts).rows["text"].to_pylist()
    whole = " ".join(redacted)
    assert {kind: whole.count(PLACEHOLDERS[kind]) for kind in MAKERS} == values
    assert not any(digits in whole for digits in ("@", "ghp_", "+44", "110105"))


def test_redacting_twice_finds_nothing_more():
    rows = table("causal_lm", text=planted(seed=5, rows=200)[0])
    once = protector().protect(rows).rows
    again = protector()
    assert again.protect(once).rows.equals(once)
    assert again.findings() == ()


def test_an_allowed_kind_is_counted_and_left():
    guard = protector(mail="allow")
    kept = guard.protect(table("causal_lm", text=[f"{MAIL} {CARD}"]))
    assert kept.rows["text"].to_pylist() == [f"{MAIL} [CARD]"]
    assert guard.findings() == (
        PersonalData("mail", "allow", 1, 1),
        PersonalData("card", "redact", 1, 1),
    )


def test_a_row_is_put_aside_under_the_kinds_that_the_policy_names():
    done = protect(
        "causal_lm", {"card": "quarantine", "iban": "quarantine"},
        text=[f"{MAIL} only", f"GB82WEST12345698765432 {CARD} {MAIL}", None],
    )  # fmt: skip
    assert done.quarantine == [None, "card, iban", None]
    assert done.rows["text"].to_pylist() == [
        "[MAIL] only", f"GB82WEST12345698765432 {CARD} [MAIL]", None,
    ]  # fmt: skip


@pytest.mark.parametrize("unit", ["1/2 ", "１ ", "+1 "])
def test_a_text_of_too_many_digits_to_search_is_put_aside(unit):
    text = f"{unit * 21_000} call +44 20 7946 0123"
    done = protect("causal_lm", text=[text, f"{unit * 100} call +44 20 7946 0123"])
    assert done.quarantine == ["phone (not searched: over 20,000 groups of digits)", None]
    assert done.rows["text"][1].as_py().endswith("[PHONE]")
    assert protect("causal_lm", {"phone": "allow"}, text=[text]).quarantine == [None]


def test_kinds_that_end_the_run_are_named_with_counts_alone():
    guard = protector(mail="fail", phone="fail", card="quarantine")
    guard.protect(table("causal_lm", text=[f"{MAIL} and a@b.org", CARD, "nothing"]))
    assert guard.failing() == (PersonalData("mail", "fail", 1, 2),)
    assert MAIL not in repr(guard.findings())


@pytest.mark.parametrize("action", ["redact", "quarantine", "fail"])
def test_a_secret_is_replaced_whatever_the_policy_says(action):
    done = protect("causal_lm", {"secret": action}, text=["password=hunter2 here"])
    assert done.rows["text"].to_pylist() == ["password=[SECRET] here"]
    assert done.quarantine == ["secret" if action == "quarantine" else None]


def test_a_secret_can_never_be_allowed():
    with pytest.raises(ValidationError, match="'allow' is never possible"):
        PrivacySettings(policy={"secret": "allow"})


def test_secrets_alone_are_taken_out_of_any_text():
    guard = protector(mail="redact")
    text = f'{{"text": "{MAIL} password=hunter2 and AKIAIOSFODNN7EXAMPLE'
    assert guard.redact_secrets(text) == f'{{"text": "{MAIL} password=[SECRET] and [SECRET]'
    assert guard.redact_secrets("plain") == "plain"
    assert guard.findings() == ()


def test_both_sides_of_a_pair_are_treated_and_labels_are_not():
    done = protect("translation", source=[MAIL, "a"], target=["b", f"到{MAIL}。"])
    assert done.rows.to_pydict() == {"source": ["[MAIL]", "a"], "target": ["b", "到[MAIL]。"]}
    labelled = protect("classification", text=["a"], label=[MAIL])
    assert labelled.rows["label"].to_pylist() == [MAIL]


def test_tokens_keep_their_number():
    tokens = ["Call", "+44", "20", "7946", "0958", "or", "mail:zhang@example.com,", None, ""]
    done = protect("tagging", tokens=[tokens, None, [], ["a"]], tags=[["O"] * 9, None, [], ["O"]])
    phone = ["[PHONE]"] * 4
    assert done.rows["tokens"].to_pylist() == [
        ["Call", *phone, "or", "mail:[MAIL],", None, ""], None, [], ["a"],
    ]  # fmt: skip


def test_a_finding_over_several_tokens_counts_once():
    guard = protector("tagging")
    rows = table("tagging", tokens=[["+44", "20", "7946", "0958"]], tags=[["O"] * 4])
    guard.protect(guard.protect(rows).rows)
    assert guard.findings() == (PersonalData("phone", "redact", 1, 1),)


def test_what_turns_say_is_treated_and_who_says_it_is_not():
    chat = [{"role": MAIL, "content": f"I am {MAIL}"}, {"role": "assistant", "content": None}]
    rows = table("chat", messages=[None, chat, [], [{"role": "user", "content": CARD}]])
    done = protector("chat").protect(rows)
    assert done.rows["messages"].to_pylist() == [
        None,
        [{"role": MAIL, "content": "I am [MAIL]"}, {"role": "assistant", "content": None}],
        [],
        [{"role": "user", "content": "[CARD]"}],
    ]


def test_a_row_counts_once_however_many_of_its_turns_hold_something():
    guard = protector("chat")
    turns = [{"role": "user", "content": MAIL}, {"role": "assistant", "content": f"{MAIL} {MAIL}"}]
    guard.protect(table("chat", messages=[turns]))
    assert guard.findings() == (PersonalData("mail", "redact", 1, 3),)


def test_other_columns_and_clean_rows_stay_as_they_are():
    rows = table("causal_lm", text=["clean", MAIL]).append_column("cluster", pa.array([MAIL, None]))
    done = protector().protect(rows).rows
    assert done.schema == rows.schema
    assert done["cluster"].to_pylist() == [MAIL, None]


def test_rows_in_several_chunks_keep_their_order():
    chunks = pa.chunked_array([["a", MAIL], ["b"], [CARD, "c"]])
    done = protector().protect(pa.table({"text": chunks}))
    assert done.rows["text"].to_pylist() == ["a", "[MAIL]", "b", "[CARD]", "c"]


@cache
def for_answers() -> Protector:
    return protector("question_answering")


def answered(context: str, answer: str | None, start: int | None, question: str = "Who?"):
    row = {"question": question, "context": context, "answer": answer, "answer_start": start}
    rows = table("question_answering", **{name: [value] for name, value in row.items()})
    done = for_answers().protect(rows)
    return done.rows.to_pylist()[0], done.quarantine[0]


def test_an_answer_moves_with_what_is_redacted_before_it():
    context = f"Ask {MAIL} or {MAIL} in Paris, or {CARD}."
    row, aside = answered(context, "Paris", context.index("Paris"))
    assert row["context"] == "Ask [MAIL] or [MAIL] in Paris, or [CARD]."
    assert row["context"][row["answer_start"] :].startswith("Paris")
    assert (row["answer"], aside) == ("Paris", None)


def test_an_answer_with_personal_data_in_it_is_taken_anew_from_its_context():
    context = f"({CARD}) Write to {MAIL} soon."
    answer = f"to {MAIL}"
    row, aside = answered(context, answer, context.index(answer))
    assert (row["answer"], aside) == ("to [MAIL]", None)
    assert row["context"][row["answer_start"] :].startswith("to [MAIL]")


def test_a_row_whose_answer_is_cut_in_two_is_put_aside():
    context = f"Write to {MAIL} soon."
    row, aside = answered(context, "example.com soon", context.index("example"))
    assert aside == "mail"
    assert (row["answer"], row["answer_start"]) == (None, None)
    assert row["context"] == "Write to [MAIL] soon."


def test_questions_and_answers_that_stand_nowhere_are_texts_of_their_own():
    row, aside = answered("Nothing here.", MAIL, 3, question=f"Who is {MAIL}?")
    assert (row["question"], row["answer"], aside) == ("Who is [MAIL]?", "[MAIL]", None)
    row, _ = answered(f"{MAIL} x", None, None)
    assert (row["context"], row["answer"], row["answer_start"]) == ("[MAIL] x", None, None)


PIECES = st.one_of(st.sampled_from([MAIL, CARD, "192.168.1.17"]), st.text("ab 汉,", min_size=1))


@settings(max_examples=80, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=6), st.data())
def test_an_answer_stands_where_its_row_says_or_the_row_is_put_aside(pieces, data):
    context = " ".join(pieces)
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    row, aside = answered(context, context[start:end], start)
    assert MAIL not in row["context"]
    if aside is None:
        at = row["answer_start"]
        assert row["context"][at : at + len(row["answer"])] == row["answer"]
    else:
        assert row["answer"] is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.text(st.characters(categories=["L", "Zs", "Po"]), max_size=60)))
def test_rows_with_nothing_in_them_are_unchanged_byte_for_byte(texts):
    texts = [text and text.replace("@", "") for text in texts]
    rows = table("causal_lm", text=texts)
    done = protector().protect(rows)
    assert done.rows.equals(rows)
    assert done.quarantine == [None] * len(texts)


def entity(text: str, found: dict[str, list[object]], part: str) -> str:
    return text[found[f"{part}_start"][0] : found[f"{part}_end"][0]]


def test_entities_stand_where_they_did_when_their_text_is_redacted():
    text = f"Write to {MAIL}, says Ada of {MAIL}."
    start = text.index("Ada")
    found = protect(
        "relation_extraction", text=[text], subject_start=[start], subject_end=[start + 3],
        subject_type=["person"], object_start=[text.rindex("z")], object_end=[len(text) - 1],
        object_type=["mail"], relation=["has"],
    )  # fmt: skip
    rows = found.rows.to_pydict()
    mail = PLACEHOLDERS["mail"]
    assert rows["text"] == [f"Write to {mail}, says Ada of {mail}."]
    assert entity(rows["text"][0], rows, "subject") == "Ada"
    assert entity(rows["text"][0], rows, "object") == mail
    assert found.quarantine == [None]


def test_a_row_whose_entity_a_placeholder_cuts_in_two_is_put_aside():
    text = f"Ada of {MAIL}"
    found = protect(
        "relation_extraction", text=[text, text], subject_start=[0, 0], subject_end=[3, 3],
        subject_type=["person"] * 2, object_start=[4, None], object_end=[12, 12],
        object_type=["mail"] * 2, relation=["has"] * 2,
    )  # fmt: skip
    assert found.quarantine[0] == "mail"
    assert found.rows["object_start"].to_pylist()[1] is None
