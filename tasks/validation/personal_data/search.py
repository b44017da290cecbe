"""The search for personal data and secrets: a cheap pass over all texts, Presidio over the rest."""

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import numpy as np
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer import predefined_recognizers as presidio

from infra.errors import SettingsError
from tasks.validation.personal_data import national_ids, secret_patterns
from tasks.validation.personal_data.findings import Finding, resolve
from tasks.validation.personal_data.names import NameModel
from tasks.validation.personal_data.recognisers import (
    IpAddressRecogniser,
    MailRecogniser,
    PhoneRecogniser,
)
from tasks.validation.personal_data.settings import PersonalDataKind, PrivacySettings

# What a text must hold, for RE2, to hold this kind at all: one of these. They are weaker than all
# patterns of the kind, so that a text that they leave out holds none.
_MAY_HOLD: Final[dict[PersonalDataKind, tuple[str, ...]]] = {
    "mail": ("@",),
    # Seven digits, between two at most four of what phonenumbers takes for punctuation.
    "phone": (r"[0-9](?:[-xX ().\[\]/~\x{80}-\x{10FFFF}]{0,4}[0-9]){6}",),
    "card": (r"[0-9](?:[ -]?[0-9]){12}",),
    "iban": (r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){8}",),
    "ip_address": (
        r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:",
    ),
    "national_id": (national_ids.MAY_HOLD,),
    "secret": secret_patterns.MAY_HOLD,
}
# Presidio adds as much for a word of the kind shortly before. A word is sure enough to be believed
# by default, whatever the pattern's own confidence.
_CONTEXT_GAIN, _CONFIDENCE_IN_CONTEXT = 0.35, 0.6
_CONTEXT_CHARACTERS: Final = 40
# A version number has the form of an address.
_VERSION: Final = re.compile(
    r"(?:\b(?:version|release|build|firmware|ver|v)|版本号?)[\s.:\uff1a]{0,3}$"
)
# Of a text with more groups of digits the phone numbers are not told: phonenumbers tries each group
# with its neighbours, in 20 to 40 microseconds a group and region, and gives up after 65,536.
MAX_DIGIT_GROUPS: Final = 20_000
_CHATTY: Final = ("presidio-analyzer", "presidio_analyzer", "decision_process", "tldextract")


@dataclass(frozen=True)
class _Recogniser:
    """One recogniser, and which words before a match speak for it.

    Attributes:
        needs_word: whether a match without such a word counts for nothing.
        refuted: what stands before a text of the same form that is something else.

    """

    kind: PersonalDataKind
    recogniser: PatternRecognizer | PhoneRecogniser
    needs_word: bool = False
    refuted: re.Pattern[str] | None = None
    words: re.Pattern[str] | None = field(init=False)

    def __post_init__(self) -> None:
        if self.kind not in {"mail", "phone"}:
            _match_ascii_only(self.recogniser)
        object.__setattr__(self, "words", _any_of(self.recogniser.context or ()))

    def find(self, text: str) -> Iterator[Finding]:
        """What the recogniser finds, with the confidence that the words before it give."""
        for result in self.recogniser.analyze(text, self.recogniser.supported_entities):
            confidence = self._confidence(text, result)
            if confidence > 0:
                yield Finding(self.kind, result.start, result.end, confidence)

    def _confidence(self, text: str, result: RecognizerResult) -> float:
        before = text[max(0, result.start - _CONTEXT_CHARACTERS) : result.start].lower()
        if self.refuted and self.refuted.search(before):
            return 0
        if self.words and self.words.search(before):
            return min(1, max(result.score + _CONTEXT_GAIN, _CONFIDENCE_IN_CONTEXT))
        return 0 if self.needs_word else float(result.score)


def _match_ascii_only(recogniser: Any) -> None:
    """Else a Chinese character is a letter, and a number beside one has no boundary."""
    recogniser.patterns = [
        Pattern(one.name, f"(?a){one.regex}", one.score) for one in recogniser.patterns
    ]


def _any_of(words: Iterable[str]) -> re.Pattern[str] | None:
    """One of these words, or its plural; in scripts without spaces, anywhere."""
    patterns = [
        rf"(?<![a-z]){re.escape(word)}s?(?![a-z])" if word.isascii() else re.escape(word)
        for word in sorted({word.strip().lower() for word in words})
    ]
    return re.compile("|".join(patterns)) if patterns else None


class Search:
    """Finds personal data of all kinds whose finding the settings ask for.

    Raises:
        SettingsError: a phone region is unknown, or names shall be found and cannot.

    """

    def __init__(self, settings: PrivacySettings) -> None:
        for name in _CHATTY:  # they may name what they look at
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._settings = settings
        recognisers = _recognisers(settings)
        self._recognisers = {
            kind: [one for one in recognisers if one.kind == kind] for kind in _MAY_HOLD
        }
        wanted = settings.action("name") != "allow"
        self._names = NameModel(settings) if wanted else None

    def find(self, texts: pa.ChunkedArray) -> dict[int, list[Finding]]:
        """Findings that count by position of the text, for texts with any."""
        found: dict[int, list[Finding]] = defaultdict(list)
        foreign = pc.match_substring_regex(texts, _foreign_letters())
        for kind in self._recognisers:
            may_hold = foreign
            for pattern in _MAY_HOLD[kind]:
                may_hold = pc.or_(may_hold, pc.match_substring_regex(texts, pattern))
            if kind == "phone":
                may_hold = pc.and_(may_hold, pc.invert(_has_too_many_digits(texts)))
            for position in _positions(may_hold):
                found[position] += self.find_kind(kind, texts[position].as_py())
        if self._names:
            for position, names in self._names.find(texts):
                found[position] += names
        resolved = {
            position: self._resolve(texts[position].as_py(), all_of_text)
            for position, all_of_text in found.items()
            if all_of_text
        }
        return {position: findings for position, findings in sorted(resolved.items()) if findings}

    def not_searched(self, texts: pa.ChunkedArray) -> list[int]:
        """Positions of texts with more groups of digits than are searched for phone numbers."""
        if self._settings.action("phone") == "allow":
            return []
        return _positions(_has_too_many_digits(texts))

    def find_kind(self, kind: PersonalDataKind, text: str) -> list[Finding]:
        """All findings of a kind but names, whatever the text; they may overlap."""
        plain = text.translate(_plain_forms())
        return [
            one
            for recogniser in self._recognisers[kind]
            for one in recogniser.find(plain)
            if one.confidence >= self._settings.min_confidence
        ]

    def find_secrets(self, text: str) -> list[Finding]:
        """The secrets of one text."""
        if text.isascii() and not any(one.search(text) for one in _may_hold_secret()):
            return []
        return self._resolve(text, self.find_kind("secret", text))

    def _resolve(self, text: str, found: Sequence[Finding]) -> list[Finding]:
        return resolve(text, found, lambda kind: self._settings.action(kind) == "allow")


def _recognisers(settings: PrivacySettings) -> list[_Recogniser]:
    unknown = sorted(set(settings.phone_regions) - phonenumbers.SUPPORTED_REGIONS)
    if unknown:
        raise SettingsError(
            f"privacy.phone_regions: {', '.join(unknown)!r} is no region of the phone number plan; "
            "name countries by their two letters of ISO 3166, such as US, GB, CN"
        )
    return [
        _Recogniser("mail", MailRecogniser()),
        _Recogniser("phone", PhoneRecogniser(settings.phone_regions)),
        _Recogniser("card", presidio.CreditCardRecognizer()),
        _Recogniser("iban", presidio.IbanRecognizer()),
        _Recogniser("ip_address", IpAddressRecogniser(), refuted=_VERSION),
        *(_Recogniser("national_id", one) for one in national_ids.telling_by_form()),
        *(
            _Recogniser("national_id", one, needs_word=True)
            for one in national_ids.needing_a_word()
        ),
        *(_Recogniser("secret", one) for one in secret_patterns.secret_recognisers()),
    ]


def _has_too_many_digits(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.greater(pc.count_substring_regex(texts, r"\p{Nd}+"), MAX_DIGIT_GROUPS)


def _positions(mask: pa.ChunkedArray) -> list[int]:
    """Where it is true. pyarrow's own indices_nonzero crashes where there are no rows at all."""
    return [int(at) for at in np.flatnonzero(pc.fill_null(mask, False).to_numpy())]  # noqa: FBT003


@cache
def _may_hold_secret() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.ASCII) for pattern in secret_patterns.MAY_HOLD)


@cache
def _plain_forms() -> dict[int, str]:
    """Full-width letters and digits, and the digits of all scripts, in ASCII."""
    wide = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    letters = {code: plain for code, plain in wide.items() if plain.isalnum() or plain in "@._-+"}
    digits = {
        code: str(unicodedata.decimal(chr(code)))
        for code in range(0x80, 0x20000)
        if unicodedata.decimal(chr(code), None) is not None
    }
    return letters | digits


@cache
def _foreign_letters() -> str:
    """Any character that `_plain_forms` knows, for RE2."""
    return "[" + "".join(map(chr, sorted(_plain_forms()))) + "]"
