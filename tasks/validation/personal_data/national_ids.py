"""Which national identity numbers are looked for, and what it takes to believe one.

A number whose form says what it is (letters at set places, a birth date, groups of a set length,
mostly with a check digit) counts by itself. A bare run of digits counts only after a word that
names it: one in ten passes a check digit by chance.
"""

from typing import Final

from presidio_analyzer import Pattern, PatternRecognizer
from presidio_analyzer import predefined_recognizers as presidio

from tasks.validation.personal_data.recognisers import ChineseIdRecogniser, SingaporeIdRecogniser

_DAY: Final = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_LIKELY, _WEAK = 0.5, 0.3

# What a text must hold, for RE2, to hold such a number at all.
MAY_HOLD: Final = (
    r"[0-9](?:[-+:.\s]?[0-9]){8}"
    r"|[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-Da-d]"
    r"|[0-9]{7}-?[A-Za-z]"
    r"|[0-9]{6}[A-Za-z+-][0-9]{3}"
    r"|[A-Za-z][A-Za-z0-9]{7}[0-9]"
    r"|[A-Za-z]{5}[0-9]{4}[A-Za-z]"
    r"|[0-9][A-Za-z][0-9A-Za-z][0-9]-?[A-Za-z][0-9A-Za-z][0-9]-?[A-Za-z]{2}[0-9]{2}"
    r"|[A-Za-z]{6}[0-9L-Vl-v]{2}[A-Za-z][0-9L-Vl-v]{2}[A-Za-z][0-9L-Vl-v]{3}[A-Za-z]"
)


def telling_by_form() -> list[PatternRecognizer]:
    """China, USA, United Kingdom, Spain, Italy, Finland, Singapore, Korea, Sweden, Germany, ..."""
    return [
        ChineseIdRecogniser(),
        presidio.UsSsnRecognizer(patterns=_one(r"\b\d{3}-\d{2}-\d{4}\b")),
        presidio.UkNinoRecognizer(),
        presidio.EsNifRecognizer(),
        presidio.EsNieRecognizer(),
        presidio.ItFiscalCodeRecognizer(
            patterns=[
                Pattern("fiscal code", rf"\b{pattern.regex.removeprefix('(?i)')}\b", _WEAK)
                for pattern in presidio.ItFiscalCodeRecognizer.PATTERNS
            ]
        ),
        presidio.FiPersonalIdentityCodeRecognizer(
            patterns=presidio.FiPersonalIdentityCodeRecognizer.PATTERNS[:1]
        ),
        SingaporeIdRecogniser(),
        presidio.KrRrnRecognizer(patterns=_one(rf"\b\d{{2}}{_DAY}-[1-4]\d{{6}}\b")),
        presidio.KrFrnRecognizer(patterns=_one(rf"\b\d{{2}}{_DAY}-[5-8]\d{{6}}\b")),
        presidio.SePersonnummerRecognizer(patterns=_one(r"\b(?:\d{2})?\d{6}[-+]\d{4}\b")),
        presidio.DeSocialSecurityRecognizer(
            patterns=presidio.DeSocialSecurityRecognizer.PATTERNS[:1]
        ),
        presidio.ZaIdNumberRecognizer(),
    ]


def needing_a_word() -> list[PatternRecognizer]:
    """Numbers that count only after a word that names them."""
    social_security = ("social security", "ssn", "ssns")
    return [
        presidio.UsSsnRecognizer(
            patterns=_one(r"\b\d{3}[- .]?\d{2}[- .]?\d{4}\b"), context=list(social_security)
        ),
        presidio.UsItinRecognizer(context=["taxpayer", "itin", "tax id", "taxid", "tin"]),
        presidio.UsMbiRecognizer(),
        presidio.NhsRecognizer(),
        presidio.CaSinRecognizer(context=["sin", "social insurance", "nas", "assurance sociale"]),
        presidio.AuTfnRecognizer(),
        presidio.AuMedicareRecognizer(),
        presidio.InAadhaarRecognizer(context=["aadhaar", "aadhar", "uidai", "आधार"]),
        presidio.InPanRecognizer(patterns=presidio.InPanRecognizer.PATTERNS[:1]),
        presidio.PlPeselRecognizer(patterns=_one(r"\b\d{11}\b"), context=["pesel"]),
        presidio.KrRrnRecognizer(context=["rrn", "resident registration", "주민등록번호"]),
        presidio.KrFrnRecognizer(),
        presidio.SePersonnummerRecognizer(
            patterns=presidio.SePersonnummerRecognizer.PATTERNS[:1],
            context=["personnummer", "personal identity number", "samordningsnummer"],
        ),
        presidio.ThTninRecognizer(),
        presidio.TrNationalIdRecognizer(),
        presidio.DeTaxIdRecognizer(),
        presidio.DeHealthInsuranceRecognizer(),
        presidio.DeIdCardRecognizer(),
        presidio.DePassportRecognizer(context=["reisepass", "passnummer", "passport", "pass-nr"]),
        presidio.NgNinRecognizer(),
    ]


def _one(pattern: str) -> list[Pattern]:
    return [Pattern("own", pattern, _LIKELY)]
