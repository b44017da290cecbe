r"""Keys, tokens and passwords by their public formats.

Formats are from the issuers' own pages and, where these give none, from the rules of gitleaks
(https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml):

- AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
- GitHub: https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
- GitLab: https://docs.gitlab.com/security/tokens/#token-prefixes
- Slack: https://docs.slack.dev/authentication/tokens/
- Stripe: https://docs.stripe.com/keys
- Google: https://docs.cloud.google.com/docs/authentication/api-keys
- npm: https://github.blog/changelog/2021-09-23-npm-has-a-new-access-token-format/
- private key blocks: RFC 7468; JSON web tokens: RFC 7519; bearer tokens: RFC 6750;
  user names and passwords in addresses: RFC 3986, 3.2.1

A value that stands after a word such as 'password' counts by how it is written: after an equals
sign, or in quotes after a colon, whatever it is; elsewhere if it looks random. How random is told
by Shannon's entropy, with the limits of gitleaks (3.5 bits a character) and of detect-secrets for
hexadecimal digits (3.0, https://github.com/Yelp/detect-secrets).
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Final

from presidio_analyzer import Pattern, PatternRecognizer

_CERTAIN: Final = 1.0
_MIN_BITS, _MIN_BITS_HEX = 3.5, 3.0
_MIN_HEX_DIGITS: Final = 32

# Start with something that no other word has. Each is a pattern for RE2, too.
_TOKENS: Final = {
    "AWS access key": r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
    "GitHub token": r"(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})",
    "GitLab token": r"(?:gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct|wt)-"
    r"[A-Za-z0-9_.=-]{20,320}|GR1348941[A-Za-z0-9_-]{20,320})",
    "Slack token": r"(?:xox[a-z]-[A-Za-z0-9-]{10,250}|xapp-[0-9]-[A-Za-z0-9-]{10,250}"
    r"|xoxe\.[a-z]{4}-[0-9]-[A-Za-z0-9-]{10,250})",
    "Slack webhook": r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,60}",
    "Stripe key": r"(?:(?:sk|rk)_(?:test|live|prod)_[A-Za-z0-9]{10,250}"
    r"|whsec_[A-Za-z0-9]{32,250})",
    "Google API key": r"AIza[A-Za-z0-9_-]{35}",
    "Google OAuth": r"(?:ya29\.[A-Za-z0-9_-]{20,500}|GOCSPX-[A-Za-z0-9_-]{28})",
    "OpenAI key": r"sk-[A-Za-z0-9_-]{20,200}",
    "Hugging Face token": r"(?:hf_[A-Za-z]{34}|api_org_[A-Za-z]{34})",
    "npm token": r"npm_[A-Za-z0-9]{36}",
    "PyPI token": r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,500}",
    "SendGrid key": r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    "Twilio key": r"SK[0-9a-f]{32}",
    "DigitalOcean token": r"do[opr]_v1_[a-f0-9]{64}",
    "Shopify token": r"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",
    "Telegram bot token": r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}",
    "JSON web token": r"eyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,8000}"
    r"(?:\.[A-Za-z0-9_-]{10,4000})?",
}
# A block without its end was cut, so all that looks like the key counts.
_KEY_BLOCK: Final = (
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=,.:;()\\\s-]{0,20000}?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|[A-Za-z0-9+/=,.:\\\s-]{0,20000})"
)

_COLON, _EQUAL_SIGN = "[:\uff1a]", "(?:=>|:=|=|\uff1d)"
_STOPS_OF_CHINESE: Final = "\uff0c\u3002\uff1b\u3001\uff01\uff1f"

_WORD: Final = (
    r"(?i:pass(?:word|wd|phrase|code)s?|pwd|secrets?|tokens?|credentials?"
    r"|(?:api|access|auth|account|private|secret|encryption|signing|licen[cs]e)[ _-]?keys?)"
)
_HAN_WORD: Final = r"(?:密码|密碼|口令|密钥|密鑰|令牌)"
# aws_secret_access_key: the rest of a name may follow the word.
_NAME: Final = rf"(?:{_WORD}(?:[_-][A-Za-z0-9_-]{{0,40}})?|{_HAN_WORD})[\"'`]?"
_EQUALS: Final = rf"{_NAME}\s{{0,3}}{_EQUAL_SIGN}\s{{0,3}}"
_COLON_QUOTE: Final = rf"{_NAME}\s{{0,3}}{_COLON}\s{{0,3}}"
_SAID: Final = (
    rf"(?:{_NAME}\s{{0,3}}{_COLON}|{_WORD}\s{{1,3}}(?i:is|was|are)\s{{0,2}}:?|{_HAN_WORD}\s?[是为為])"
    r"\s{0,3}[\"'`“]?"
)
_NEAR: Final = r"(?i:key|secret|token|password|passwd|credential|密钥|密码|令牌)"
# Up to white space or what closes a value; & begins the next parameter of an address.
_BARE: Final = rf"(?:[^\s\"'`“”<>(){{}}\[\],;&{_STOPS_OF_CHINESE}]|&(?!\w+=))"
_BEARER: Final = r"(?i:bearer|authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:basic|token))\s{1,3}"
_ADDRESS: Final = r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@?#]{0,80}:"

# What a text must hold, for RE2, to hold a secret at all: any of these. RE2 is slow on all of them
# as one pattern; it repeats at most 1,000 times, and the least length is enough to know.
MAY_HOLD: Final = (
    "|".join(re.sub(r"\{(\d+),\d+\}", r"{\1,}", pattern) for pattern in _TOKENS.values())
    + "|-----BEGIN ",
    _EQUALS,
    _SAID,
    rf"{_NEAR}[\s\S]{{0,60}}[A-Za-z0-9+/_=-]{{20}}",
    _BEARER,
    rf"{_ADDRESS}[^\s/@]{{3,200}}@",
)


class _SecretRecogniser(PatternRecognizer):
    """Secrets of some patterns; `holds` says whether a value that they match is one."""

    def __init__(
        self, patterns: dict[str, str], holds: Callable[[str], bool] = lambda _: True
    ) -> None:
        super().__init__(
            supported_entity="SECRET",
            patterns=[Pattern(name, pattern, _CERTAIN) for name, pattern in patterns.items()],
            global_regex_flags=0,
        )
        self._holds = holds

    def validate_result(self, pattern_text: str) -> bool:
        """Whether the value can be a secret."""
        return self._holds(pattern_text)


def secret_recognisers() -> list[PatternRecognizer]:
    """All of them. Of an assignment only the value counts, not the name."""
    bounded = {
        name: rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])" for name, pattern in _TOKENS.items()
    }
    values = {
        "value": rf"{_EQUALS}\K{_BARE}{{4,400}}+(?!\()",
        "quoted value": rf"{_EQUALS}([\"'`])\K[^\n]{{4,400}}?(?=\1)",
        "quoted after colon": rf"{_COLON_QUOTE}([\"'`])\K\S{{4,400}}?(?=\1)",
    }
    random = {
        "said value": rf"{_SAID}\K{_BARE}{{6,400}}+",
        "bearer token": rf"{_BEARER}\K[A-Za-z0-9._~+/=-]{{8,4000}}+",
    }
    near = rf"{_NEAR}[^\n]{{0,60}}?(?<![A-Za-z0-9+/_=-])\K[A-Za-z0-9+/_=-]{{20,400}}+"
    address = rf"{_ADDRESS}\K[^\s/@]{{3,200}}+(?=@)"
    return [
        _SecretRecogniser({**bounded, "private key": _KEY_BLOCK}),
        _SecretRecogniser(values, _is_no_blank),
        _SecretRecogniser(random, _looks_made),
        _SecretRecogniser({"near a word": near}, _looks_random),
        _SecretRecogniser({"password in an address": address}, _is_no_blank),
    ]


_BLANK: Final = re.compile(
    r"(?i:none|null|nil|true|false|undefined|required|optional|empty|string|str|int|bytes|\W*"
    r"|x{3,}|\$.*|%.*%?|<.*>?|\{.*|your[_-].*|.*\.\.\.|os\.environ.*|process\.env.*)\W*"
)
_STOP: Final = ".,;:!?"


def _is_no_blank(value: str) -> bool:
    """Whether it is more than a blank to fill in, an empty value or a row of stars."""
    return not _BLANK.fullmatch(value)


def _looks_made(value: str) -> bool:
    """Whether no word of a language is written so: 'hunter2', 'Tr0ub4dor&3', but not 'required'."""
    core = value.strip(_STOP)
    has_letter = any(map(str.isalpha, core))
    has_other = any(not character.isalpha() and character not in "-'\u2019/." for character in core)
    inner_capital = any(map(str.isupper, core[1:])) and any(map(str.islower, core))
    return has_letter and (has_other or inner_capital) and _is_no_blank(core)


def _looks_random(value: str) -> bool:
    """Whether a generator, not a person, wrote it: letters with digits, and a high entropy."""
    core = value.strip("-_=/+")
    if not (any(map(str.isdigit, core)) and any(map(str.isalpha, core))):
        return False
    if all(character in "0123456789abcdefABCDEF" for character in core):
        return len(core) >= _MIN_HEX_DIGITS and _bits(core) >= _MIN_BITS_HEX
    both_cases = any(map(str.isupper, core)) and any(map(str.islower, core))
    return (both_cases or core.isalnum()) and _bits(core) >= _MIN_BITS


def _bits(value: str) -> float:
    """Shannon entropy in bits a character."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
