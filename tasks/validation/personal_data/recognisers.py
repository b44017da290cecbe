"""Recognisers for mail, phone, IP address and two identity numbers, on top of Presidio's.

Presidio's own take a Chinese character for part of the word beside it, ask the network for the
list of top-level domains, or tell a phone number from any other with one confidence.
"""

import re
from functools import cache
from typing import Final

import phonenumbers
import tldextract
from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer.predefined_recognizers import (
    EmailRecognizer,
    IpRecognizer,
    PhoneRecognizer,
    SgFinRecognizer,
)

# Letters of scripts that part words by spaces. In the others (Han, Thai ...) an address follows
# a word with nothing between, and \w would take the word for part of it.
_LETTERS: Final = r"\p{Latin}\p{Greek}\p{Cyrillic}\p{Armenian}\p{Hebrew}\p{Arabic}\p{Nd}"
# RFC 5321: at most 64 characters before the @, 63 in a label of the domain.
_LOCAL: Final = rf"[{_LETTERS}_][{_LETTERS}!#$%&'*+\-=^_`~.]{{0,63}}"
_LABEL: Final = rf"[{_LETTERS}](?:[{_LETTERS}\-]{{0,61}}[{_LETTERS}])?"
_ANY_LABEL: Final = r"[\p{L}\p{Nd}](?:[\p{L}\p{M}\p{Nd}\-]{0,61}[\p{L}\p{M}\p{Nd}])?"
_MAX_LABELS: Final = 8
_CHINA: Final = 86
_IPV4: Final = re.compile(r"\D*\d{1,3}(?:\.\d{1,3}){3}\D*")
_VALID: Final = phonenumbers.Leniency.VALID


class MailRecogniser(EmailRecognizer):
    """Mail addresses whose domain ends as the shipped public suffix list admits."""

    def __init__(self) -> None:
        # One pattern for each number of labels: of 'a@bank.com.Then', two labels are the address.
        domains = [rf"{_LABEL}(?:\.{_LABEL}){{{n}}}(?![{_LETTERS}])" for n in range(1, _MAX_LABELS)]
        domains.append(rf"{_ANY_LABEL}(?:\.{_ANY_LABEL}){{1,{_MAX_LABELS - 1}}}")
        super().__init__(
            patterns=[Pattern(f"mail {n}", f"{_LOCAL}@{d}", 0.5) for n, d in enumerate(domains)]
        )

    def validate_result(self, pattern_text: str) -> bool:
        """Whether what follows the @ is a name under a public suffix."""
        return _domains()(pattern_text.rpartition("@")[2]).fqdn != ""


@cache
def _domains() -> tldextract.TLDExtract:
    """The public suffixes as they came with the package: nothing is fetched, nothing is written."""
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


class PhoneRecogniser(PhoneRecognizer):
    """Phone numbers, surer where they are written as phone numbers are.

    An international prefix, or groups as the country writes them, tells a phone number from other
    long numbers. Digits in one run don't: for them it takes a word such as 'phone' before.
    """

    # Shorter ones are service numbers, prices and years.
    _MIN_DIGITS: Final = 7
    _INTERNATIONAL, _GROUPED, _BARE = 0.7, 0.6, 0.4
    _WORDS: Final = (
        "phone telephone tel mobile mob cell cellphone call calling dial fax sms text whatsapp "
        "hotline contact ring reach telefon telefono teléfono téléphone portable handy mobil "
        "电话 电話 電話 手机 手機 拨打 撥打 致电 致電 联系 聯繫 热线 座机 传真 微信 전화 휴대폰"
    )

    def __init__(self, regions: tuple[str, ...]) -> None:
        super().__init__(supported_regions=regions, context=self._WORDS.split())

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: object = None
    ) -> list[RecognizerResult]:
        """Valid numbers of any of the regions."""
        del entities, nlp_artifacts
        sure: dict[tuple[int, int], float] = {}
        for region in self.supported_regions:
            for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=_VALID):
                if self._is_long_enough(match) and not _IPV4.fullmatch(match.raw_string):
                    span = (match.start, match.end)
                    score = self._score(text, match, region)
                    sure[span] = max(sure.get(span, 0), score)
        return [RecognizerResult("PHONE_NUMBER", *span, score) for span, score in sure.items()]

    def _is_long_enough(self, match: phonenumbers.PhoneNumberMatch) -> bool:
        return len(str(match.number.national_number)) >= self._MIN_DIGITS

    def _score(self, text: str, match: phonenumbers.PhoneNumberMatch, region: str) -> float:
        raw = match.raw_string
        if raw.startswith("+"):
            return self._INTERNATIONAL
        if raw.isdigit():
            chinese = match.number.country_code == _CHINA and _touches_han(text, match)
            return self._GROUPED if chinese else self._BARE
        strict = phonenumbers.Leniency.STRICT_GROUPING
        grouped = any(
            found.raw_string == raw
            for found in phonenumbers.PhoneNumberMatcher(raw, region, leniency=strict)
        )
        return self._GROUPED if grouped else self._BARE


def _touches_han(text: str, match: phonenumbers.PhoneNumberMatch) -> bool:
    """Whether a Chinese character stands right before or after."""
    beside = text[max(0, match.start - 1) : match.start] + text[match.end : match.end + 1]
    return any("\u4e00" <= character <= "\u9fff" for character in beside)


class IpAddressRecogniser(IpRecognizer):
    """IP addresses with a digit in them: 'add::bad' is none."""

    def invalidate_result(self, pattern_text: str) -> bool:
        """Whether it cannot be an address."""
        has_digit = any(map(str.isdigit, pattern_text))
        return not has_digit or bool(super().invalidate_result(pattern_text))


class ChineseIdRecogniser(PatternRecognizer):
    """Resident identity numbers of China: region, birth date, serial, check character.

    GB 11643-1999; the check character is ISO 7064 MOD 11-2.
    """

    def __init__(self) -> None:
        day = r"(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
        pattern = rf"(?<![0-9A-Za-z])[1-8]\d{{5}}{day}\d{{3}}[\dXx](?![0-9A-Za-z])"
        super().__init__(
            supported_entity="CN_RESIDENT_ID", patterns=[Pattern("resident id", pattern, 0.5)]
        )

    def validate_result(self, pattern_text: str) -> bool:
        """Whether the check character is right."""
        total = sum(
            int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(pattern_text[:17])
        )
        return "10X98765432"[total % 11] == pattern_text[17].upper()


class SingaporeIdRecogniser(SgFinRecognizer):
    """NRIC and FIN of Singapore whose check letter is right.

    Weights and letters by series: https://garden.melvinzhang.net/posts/nric_checksum
    """

    _LETTERS: Final = {"S": (0, "JZIHGFEDCBA"), "T": (4, "JZIHGFEDCBA"),
                       "F": (0, "XWUTRQPNMLK"), "G": (4, "XWUTRQPNMLK")}  # fmt: skip
    _WEIGHTS: Final = (2, 7, 6, 5, 4, 3, 2)

    def validate_result(self, pattern_text: str) -> bool:
        """Whether the check letter fits the series."""
        series, digits, letter = pattern_text[0].upper(), pattern_text[1:8], pattern_text[8]
        if series not in self._LETTERS:
            return False
        offset, letters = self._LETTERS[series]
        total = offset + sum(
            weight * int(digit) for weight, digit in zip(self._WEIGHTS, digits, strict=True)
        )
        return letters[total % 11] == letter.upper()
