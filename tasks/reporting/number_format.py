"""How a number is written: four significant digits, its unit, and never a bare None.

Metrics keep the scale 0 to 1 of the policy's thresholds, so that a number on the page can be held
against the line's settings as it stands. Shares of rows are percentages.
"""

import math
from typing import Final

from tasks.verdicts import Estimate

NOTHING: Final = "none"
EXACT: Final = "exact"
_UNITS: Final = {"_ms": "ms", "_mb": "MB", "_s": "s"}
_WORDS: Final = {
    "iban": "IBAN",
    "ip": "IP",
    "f1": "F1",
    "p95": "p95",
    "auc": "AUC",
    "ece": "ECE",
    "tfidf": "TF-IDF",
    "bleu": "BLEU",
    "chrf": "chrF",
    "rouge": "ROUGE",
    "l": "L",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R\N{SUPERSCRIPT TWO}",
    "mrr": "MRR",
    "roc": "ROC",
    "pr": "PR",
    "bpsn": "BPSN",
    "bnsp": "BNSP",
    "aeg": "AEG",
    "cddpl": "CDDPL",
    "matthews": "Matthews",
    "brier": "Brier score",
    "spearman": "Spearman correlation",
    "jaccard": "Jaccard",
    "hamming": "Hamming",
}
# How a model is called whose family's name alone would not do.
_OTHER_MODELS: Final = {
    "uncompressed": "model before compression",
    "unmitigated": "model without mitigation",
}
_MINUS: Final = "\N{MINUS SIGN}"
_LARGE: Final = 1000
_SMALL: Final = 1e-4
_SMALLEST_P: Final = 1e-4


def number(value: float | None) -> str:
    """A number with four significant digits: 0.9600, 12.35, 4,096."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "not finite"
    size = abs(value)
    if size == 0:
        return "0"
    if size >= _LARGE:
        text = f"{size:,.0f}"
    elif size < _SMALL:
        text = f"{size:.3e}"
    else:
        text = f"{size:#.4g}".rstrip(".")
    return f"{_MINUS}{text}" if value < 0 else text


def count(value: int) -> str:
    """A number of rows: 2,225."""
    return f"{value:,}"


def share(part: float, whole: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * part / whole:.1f}%" if whole else NOTHING


def interval(low: float | None, high: float | None) -> str:
    """Both ends of an interval in brackets; ``exact`` where they are the number itself."""
    if low is None or high is None:
        return NOTHING
    if low == high:
        return EXACT
    return f"[{number(low)}, {number(high)}]"


def p_value(value: float | None) -> str:
    """A p value; what is smaller than 0.0001 is said to be so."""
    if value is None:
        return NOTHING
    return f"< {_SMALLEST_P:.4f}" if value < _SMALLEST_P else f"{value:.4f}"


def percent(confidence: float) -> str:
    """A confidence level: 95%, 97.5%, 99.75%, 99.9982%; never rounded to certainty."""
    beyond = max(100 * (1 - confidence), 1e-12)
    places = max(2, 1 - math.floor(math.log10(beyond)))
    return f"{round(100 * confidence, places):.12g}%"


def unit_of(name: str) -> str:
    """The unit that the last part of an estimate's name ends with."""
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")


def with_unit(text: str, name: str) -> str:
    """A written number and its unit."""
    unit = unit_of(name)
    return f"{text} {unit}" if unit and text not in {NOTHING, EXACT} else text


def words_of(name: str) -> str:
    """An estimate's name in words, its family left out: ``quality.macro_f1`` is macro F1."""
    _, _, rest = name.partition(".")
    ending = next((ending for ending in _UNITS if name.endswith(ending)), "")
    parts = (rest or name).removesuffix(ending).split(".")
    return ": ".join(
        " ".join(_WORDS.get(word, word) for word in part.split("_")).strip() for part in parts
    )


def as_written(name: str) -> str:
    """The style of a name whose first letter stays as it is, as that of chrF does."""
    first = name.partition(" ")[0]
    return "as-written" if first != first.lower() else ""


def title_of(name: str) -> str:
    """An estimate's name in words that stand alone: macro F1 gain over the champion."""
    family, words = name.partition(".")[0], words_of(name)
    if family == "fresh":
        gain = " over the champion" if name.endswith("_gain") else ""
        return f"{words}{gain} on fresh rows"
    if family == "augmentation":
        gain = " over the same recipe without new rows" if name.endswith("_gain") else ""
        return f"{words}{gain}"
    if family not in {"champion", "anchor", "teacher", "baseline", *_OTHER_MODELS}:
        return words
    other = _OTHER_MODELS.get(family, family)
    return f"{words} over the {other}" if name.endswith("_gain") else f"{words} of the {other}"


def duration(seconds: float) -> str:
    """A duration in the largest units that fit: 45.2 s, 3 min 20 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0 or seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.1f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def size(size_bytes: int) -> str:
    """A size in the decimal units of the store: 812 B, 90.87 MB."""
    if size_bytes < _LARGE:
        return f"{size_bytes} B"
    value, unit = size_bytes / _LARGE, "kB"
    for larger in ("MB", "GB", "TB"):
        if value < _LARGE:
            break
        value, unit = value / _LARGE, larger
    return f"{number(value)} {unit}"


def is_drawable(estimate: Estimate) -> bool:
    """Whether a point and an interval can be drawn."""
    ends = (estimate.value, estimate.low, estimate.high)
    return all(end is not None and math.isfinite(end) for end in ends)
