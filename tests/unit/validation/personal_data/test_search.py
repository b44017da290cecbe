# ruff: noqa: RUF001 - Chinese has punctuation and digits of its own
"""Each kind is found in English and in Chinese, and what only looks like it is not."""

from functools import cache
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import SettingsError
from tasks.validation.personal_data.findings import KINDS, Finding, redact, resolve
from tasks.validation.personal_data.search import Search
from tasks.validation.personal_data.settings import PrivacySettings

# Put together here, so that no scanner takes this file for a leak.
GITHUB, GITLAB = "ghp_" + "a1B2" * 9, "glpat-" + "abcdefghij0123456789"
SLACK, STRIPE = "xoxb-" + "1234567890-abcdefghij", "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
GOOGLE = "AIza" + "SyA1234567890abcdefghijklmnopqrstuv"
WEB_TOKEN = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxIn0" + ".c2lnbmF0dXJl"
HEX = "9f86d081884c7d659a2feaa0c55ad015"

# The values are the issuers' own examples, or have check digits that were worked out by hand.
FOUND = [
    ("mail", "Write to zhang@example.com, please.", "zhang@example.com"),
    ("mail", "我的邮箱是zhang@example.com，谢谢", "zhang@example.com"),
    ("mail", "邮箱zhang@example.com请联系", "zhang@example.com"),
    ("mail", "Ask o'neil.x+news@mail.example.co.uk.Then wait", "o'neil.x+news@mail.example.co.uk"),
    ("mail", "müller@exämple.de schrieb", "müller@exämple.de"),
    ("mail", "发到zhang@例子.中国。", "zhang@例子.中国"),
    ("mail", "全角ｚｈａｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ。", "ｚｈａｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
    ("phone", "Reach us on +1 212-555-2368 today", "+1 212-555-2368"),
    ("phone", "or by telephoning 0800 028 9276 in the UK", "0800 028 9276"),
    ("phone", "Call 2125552368 now", "2125552368"),
    ("phone", "电话13800138000，请拨打", "13800138000"),
    ("phone", "传真：０１０－６５５２９９８８。", "０１０－６５５２９９８８"),
    ("card", "paid with 4111 1111 1111 1111.", "4111 1111 1111 1111"),
    ("card", "amex 3782-822463-10005 expired", "3782-822463-10005"),
    ("card", "卡号5500005555555559有效", "5500005555555559"),
    ("iban", "to GB82 WEST 1234 5698 7654 32 by Friday", "GB82 WEST 1234 5698 7654 32"),
    ("iban", "账户DE89370400440532013000。", "DE89370400440532013000"),
    ("ip_address", "from 192.168.1.17, twice", "192.168.1.17"),
    ("ip_address", "参见138.220.94.17。", "138.220.94.17"),
    ("ip_address", "minutes.(164.237.219.124) Profits", "164.237.219.124"),
    ("ip_address", "地址2001:db8::ff00:42:8329已封", "2001:db8::ff00:42:8329"),
    ("national_id", "SSN 078-05-1121 on file", "078-05-1121"),
    ("national_id", "her social security number 219099999", "219099999"),
    ("national_id", "NINO AB123456C was given", "AB123456C"),
    ("national_id", "NHS number 943 476 5919 and", "943 476 5919"),
    ("national_id", "DNI 12345678Z, Madrid", "12345678Z"),
    ("national_id", "NIE X1234567L, Madrid", "X1234567L"),
    ("national_id", "codice fiscale MRTMTT91D08F205J.", "MRTMTT91D08F205J"),
    ("national_id", "PESEL 44051401359 w Polsce", "44051401359"),
    ("national_id", "hetu 131052-308T", "131052-308T"),
    ("national_id", "NRIC S1234567D and", "S1234567D"),
    ("national_id", "주민등록번호 900101-1234567입니다", "900101-1234567"),
    ("national_id", "身份证11010519491231002X号", "11010519491231002X"),
    ("national_id", "TFN 876 543 210 of", "876 543 210"),
    ("secret", "id AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE"),
    ("secret", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
    ("secret", f"push with {GITHUB} then", GITHUB),
    ("secret", f"令牌{GITLAB}。", GITLAB),
    ("secret", f"hook {SLACK}", SLACK),
    ("secret", f"use {STRIPE}, live", STRIPE),
    ("secret", f"maps?k={GOOGLE}", GOOGLE),
    ("secret", f"jwt {WEB_TOKEN}", WEB_TOKEN),
    ("secret", "password=hunter2", "hunter2"),
    ("secret", '{"password": "letmein"}', "letmein"),
    ("secret", "DB_PASSWORD='correct horse battery'", "correct horse battery"),
    ("secret", "the password is Tr0ub4dor&3.", "Tr0ub4dor&3."),
    ("secret", "密码是qwerty99，请保密", "qwerty99"),
    ("secret", f"my new key for this is {HEX}", HEX),
    ("secret", "postgres://admin:s3cr3tpw@db.example.com/x", "s3cr3tpw"),
    ("secret", "Authorization: Bearer abc123.def456", "abc123.def456"),
    ("secret", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", None),
    ("secret", "cut: -----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq", None),
]  # fmt: skip

CLEAN = [
    "On 2004-05-06 at 12:30:45 they led 6-3 6-4 7-6 (7-5) after 2004-05-06T12:30:45.123Z",
    "It cost $1,234,567.89, or 1 234 567,89 euros, up from £999,999,999.",
    "ISBN 978-3-16-148410-0 and 0-306-40615-2, issue 1234-5679",
    "Upgrade to version 10.0.1.2 or v1.2.3.4; 版本1.2.3.4",
    "Card 4111 1111 1111 1112 and 4012888888881882 fail their check digit.",
    "IBAN GB82 WEST 1234 5698 7654 33 fails, too, and DE89370400440532013001",
    "身份证110105194912310021号的校验码不对",
    "NRIC S1234567A, DNI 12345678A, NHS 9434765918, hetu 131052-308U",
    "Orders 9434765919, 20240506123456, 1605121234567 and 1700000000 came in.",
    "UUID 123e4567-e89b-12d3-a456-426614174000, commit 9f86d081884c7d659a2feaa0c55ad015 of",
    "The secret: a good night's sleep. The key: patience. Your password is required.",
    "token = tokenizer.decode(ids); password = getpass()",
    "token: <user>, password: ********, secret=${SECRET}, PASSWORD=%s, api_key=your-api-key",
    "key findings: see news/2004/the-big-story-of-the-year-part-2 now",
    "Seti@home, @user and user@localhost are no addresses; a::b and std::vector neither.",
    "2004年第4季度利润增长了76%，共1234567890元，比分为3:2，于2008-08-08 20:08开始。",
    "y si fuera top <number> me faltarían <user> <user>",
]


@cache
def search() -> Search:
    return Search(PrivacySettings())


def column(*texts: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.string())])


def ungated(text: str) -> list[Finding]:
    """What all recognisers find where no cheap pass comes first."""
    found = [one for kind in KINDS if kind != "name" for one in search().find_kind(kind, text)]
    return resolve(text, found, lambda _: False)


@pytest.mark.parametrize(("kind", "text", "value"), FOUND, ids=lambda value: str(value)[:24])
def test_each_kind_is_found_where_it_stands(kind, text, value):
    found = search().find(column(text)).get(0, [])
    assert [one.kind for one in found] == [kind]
    if value is not None:
        assert text[found[0].start : found[0].end] == value


@pytest.mark.parametrize("text", CLEAN)
def test_what_only_looks_like_personal_data_is_left(text):
    assert search().find(column(text)) == {}


def test_no_texts_hold_nothing():
    assert search().find(column()) == {}
    assert search().find(pa.chunked_array([], pa.string())) == {}
    assert search().find(column(None, "")) == {}


def test_a_key_block_is_found_to_its_end():
    whole = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----"
    found = search().find(column(f"before {whole} after"))[0]
    assert [(one.start, one.end) for one in found] == [(7, 7 + len(whole))]


def test_nulls_and_chunks_keep_their_positions():
    texts = pa.chunked_array([["plain", None], [], [None, "zhang@example.com", "x"], ["a@b.org"]])
    assert list(search().find(texts)) == [3, 5]


def test_the_cheap_pass_leaves_out_nothing_that_is_planted_or_only_looks_so():
    texts = [text for _, text, _ in FOUND] + CLEAN
    texts += [f"{one} {other}" for one, other in zip(texts, texts[7:], strict=False)]
    brute = {at: found for at, text in enumerate(texts) if (found := ungated(text))}
    assert search().find(column(*texts)) == brute


FRAGMENTS = [value for _, _, value in FOUND if value] + [
    "phone",
    "password",
    "key",
    "是",
    "：",
    "=",
]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(FRAGMENTS),
            st.text("0123456789 -./()+xXABab@:_=汉٣５", min_size=1, max_size=12),
        ),
        max_size=6,
    ),
    st.sampled_from(["", " ", "-", "，"]),
)
def test_the_cheap_pass_has_no_false_negative(parts, joint):
    text = joint.join(parts)
    assert search().find(column(text)).get(0, []) == ungated(text)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Zs", "Mn"])))
def test_letters_alone_hold_nothing(text):
    assert search().find(column(text)) == {}


def test_a_long_run_of_one_character_costs_no_time():
    for hard in (
        "a" * 300_000 + "@",
        "a." * 150_000,
        "1" * 300_000,
        "eyJ" * 100_000,
        "key " * 50_000,
    ):
        assert search().find(column(hard)) == {}


def test_a_word_before_a_number_makes_it_surer():
    (bare,) = Search(PrivacySettings(min_confidence=0.1)).find(column("2125552368"))[0]
    (named,) = search().find(column("phone 2125552368"))[0]
    assert bare.confidence < 0.5 < named.confidence


def test_a_higher_minimum_leaves_out_what_is_less_sure_but_never_a_secret():
    strict = Search(PrivacySettings(min_confidence=1.0))
    found = strict.find(column("0800 028 9276, zhang@example.com, password=hunter2"))[0]
    assert [one.kind for one in found] == ["mail", "secret"]


def test_an_unknown_phone_region_is_refused():
    with pytest.raises(SettingsError, match=r"privacy\.phone_regions.*UK"):
        Search(PrivacySettings(phone_regions=("UK",)))


def test_phone_numbers_without_a_prefix_are_told_by_the_regions_asked_for():
    text = column("书店 (010) 6552 9988")
    assert Search(PrivacySettings(phone_regions=("US",))).find(text) == {}
    assert len(Search(PrivacySettings(phone_regions=("CN",))).find(text)[0]) == 1


def never(_kind: str) -> bool:
    return False


def test_of_overlapping_findings_the_surest_stands_for_all_their_characters():
    found = [Finding("phone", 2, 9, 0.6), Finding("card", 0, 6, 1.0), Finding("iban", 12, 14, 1.0)]
    kept = resolve("0123456789012345", found, never)
    assert [(one.kind, one.start, one.end) for one in kept] == [("card", 0, 9), ("iban", 12, 14)]


def test_of_findings_as_sure_the_longest_counts():
    found = [Finding("phone", 2, 5, 0.6), Finding("national_id", 0, 6, 0.6)]
    assert [one.kind for one in resolve("0123456789", found, never)] == ["national_id"]


def test_an_allowed_kind_never_hides_another():
    found = [Finding("mail", 0, 20, 1.0), Finding("phone", 0, 11, 0.6)]
    kept = resolve("13800138000@mail.com", found, lambda kind: kind == "mail")
    assert [one.kind for one in kept] == ["phone"]


def test_a_secret_beats_whatever_overlaps_it():
    found = [Finding("secret", 3, 6, 1.0), Finding("mail", 0, 9, 1.0)]
    assert [(f.kind, f.start, f.end) for f in resolve("abcdefghi", found, never)] == [
        ("secret", 3, 6)
    ]


def test_a_name_keeps_what_others_leave_of_it():
    text = "Ann Lee ann@lee.org"
    found = [Finding("name", 0, 19, 0.85), Finding("mail", 8, 19, 1.0)]
    assert redact(text, resolve(text, found, never)) == "[NAME] [MAIL]"


TEXT = "abcdefghij klmnopqrst uvwxyz [MAIL] 0123456"
# What can be hidden at all: letters and digits, but no placeholder.
CAN_BE_HIDDEN = {at for at, one in enumerate(TEXT) if one.isalnum()} - set(range(29, 35))
SPANS = st.builds(
    lambda kind, start, length, sure: Finding(kind, start, start + length, sure),
    st.sampled_from(KINDS),
    st.integers(0, 30),
    st.integers(1, 12),
    st.sampled_from([0.5, 0.85, 1.0]),
)


def characters(findings: list[Finding]) -> set[int]:
    return {at for one in findings for at in range(one.start, one.end)}


@given(st.lists(SPANS, max_size=8), st.sets(st.sampled_from(KINDS[:-1])))
def test_what_is_kept_never_overlaps_and_hides_every_kind_that_is_not_allowed(found, allowed):
    kept = resolve(TEXT, found, lambda kind: kind in allowed)
    assert all(one.end <= other.start for one, other in pairwise(kept))
    hidden = characters([one for one in kept if one.kind not in allowed])
    secrets = characters([one for one in found if one.kind == "secret"])
    assert secrets & CAN_BE_HIDDEN <= hidden
    # What overlaps a secret is told anew when the secret is gone.
    clear = [f for f in found if f.kind not in allowed and not secrets & characters([f])]
    assert characters(clear) & CAN_BE_HIDDEN <= hidden
