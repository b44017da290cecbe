"""The data contract: what the rows of a line must be like."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from infra.settings_models import SettingsModel, WrongSetting, are_valid, refuse
from tasks.sources import shards
from tasks.task_types.entity_faults import FAULTS
from tasks.validation.contract.language_codes import LANGUAGES, SCRIPTS
from tasks.validation.contract.messages import excerpt, nearest

MAX_TEXT_CHARACTERS: Final = 1_000_000
# Why a row is put aside that was read; `missing COLUMN` comes to them for each column of the task
# type, and `unknown GROUP` for each restricted group.
ROW_REASONS: Final = (
    "unknown label",
    "repeated label",
    "text length",
    "token length",
    "language",
    "script",
    "forbidden character",
    "broken tag sequence",
    "answer not at its offset",
    *FAULTS,
    "relation without direction",
    "broken chat",
    "equal answers",
    "target out of bounds",
    "length ratio",
    "conflicting rows",
    "text in two splits",
    "conflicting labels",
    "equal text in a held-out split",
    "near-duplicate in a held-out split",
    "benchmark overlap",
    "golden row",
    "personal data",
    "control token",
)
# Why a row could not be read; the first stands for all of them, and `invalid ENCODING` comes to
# them for each encoding.
BROKEN_ROW_REASONS: Final = (
    "broken row",
    shards.ANNOTATORS_DIFFER,
    shards.BROKEN_CSV,
    shards.BROKEN_JSON,
    shards.ENTITY_OUTSIDE_TOKENS,
    shards.FIELD_TOO_LONG,
    shards.HALF_SURROGATE,
    shards.HEADER_AGAIN,
    shards.INEXACT_NUMBER,
    shards.NAMED_TWICE,
    shards.NESTED_TOO_DEEP,
    shards.NO_OBJECT,
    shards.NOT_ANNOTATED,
    shards.NOT_COMPARABLE,
    shards.NOT_MARKED,
    shards.NOT_RECORDED,
    shards.NUL_BYTE,
    shards.OPEN_QUOTE,
    shards.STRAY_RETURN,
    shards.TOOL_CALL,
    shards.WRONG_NUMBER_OF_FIELDS,
    shards.WRONG_TYPE,
)
_INVALID_ENCODING: Final = shards.invalid_encoding("")
_MISSING: Final = "missing "
TagScheme = Literal["BIO", "any"]
ControlTokenPolicy = Literal["text", "quarantine", "fail"]


class ContractSettings(SettingsModel):
    """What is asked of each row, and of the rows that are left."""

    labels: tuple[str, ...] | None = Field(
        default=None,
        min_length=2,
        description="The admitted labels (of tagging: the tags, O included); None admits every "
        "label that the data holds.",
    )
    missing_labels: tuple[str, ...] = Field(
        default=("?", "-", "--", "n/a", "#n/a", "na", "<na>", "nan", "NaN", "none", "null", "nil"),
        description="Words that stand for a label that is missing, in small letters, in capitals "
        "or with a capital first; rows with one are put aside as `missing label`. One that "
        "contract.labels names is a label.",
    )
    min_text_length: int = Field(default=1, ge=1, description="Shortest text, in characters.")
    max_text_length: int = Field(
        default=MAX_TEXT_CHARACTERS, ge=1, description="Longest text, in characters."
    )
    min_tokens: int | None = Field(
        default=None, ge=1, description="Shortest text, in the base model's tokens; None: any."
    )
    max_tokens: int | None = Field(
        default=None, ge=1, description="Longest text, in the base model's tokens; None: any."
    )
    languages: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Admitted languages, as ISO 639-1 codes such as en and zh; None: any.",
    )
    min_language_characters: int = Field(
        default=20,
        ge=1,
        description="A text shorter than this is too short to tell its language, and is admitted.",
    )
    scripts: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Admitted scripts of letters, by their Unicode names such as Latin, Han or "
        "Greek; None: any. Digits, punctuation and marks are always admitted.",
    )
    forbidden_characters: str = Field(
        default="\ufffd",
        description="Characters that no text may hold beside NUL, which none may: by default the "
        "replacement character, which tells of text that was decoded wrongly.",
    )
    control_tokens: ControlTokenPolicy = Field(
        default="text",
        description="Rows whose texts spell a control token of the base model, such as [SEP] or "
        "<|im_end|>: text reads it as text, as every model here does, and counts such rows; "
        "quarantine puts them aside; fail ends the run.",
    )
    tag_scheme: TagScheme = Field(
        default="BIO",
        description="Tagging: BIO asks for O, B-TYPE and I-TYPE, the last only after one of its "
        "type; any admits every tag, as for parts of speech.",
    )
    min_length_ratio: float | None = Field(
        default=None, gt=0, description="Pairs: least length of target over source, in characters."
    )
    max_length_ratio: float | None = Field(
        default=None, gt=0, description="Pairs: greatest length of target over source."
    )
    min_target: float | None = Field(default=None, description="Regression: least target.")
    max_target: float | None = Field(default=None, description="Regression: greatest target.")
    min_rows: int = Field(default=50, ge=1, description="Least clean rows in all splits together.")
    min_rows_per_label: int = Field(
        default=10, ge=1, description="Least clean rows of each label in all splits together."
    )
    min_rows_per_label_in_test: int = Field(
        default=1, ge=1, description="Least clean rows of each label in the test split."
    )
    min_label_share: float = Field(
        default=0.0, ge=0, le=1, description="Least share of the clean rows that a label has."
    )
    max_label_share: float = Field(
        default=1.0, gt=0, le=1, description="Greatest share of the clean rows that a label has."
    )
    max_quarantine_share: float = Field(
        default=0.05, ge=0, le=1, description="Largest share of rows that may be put aside."
    )
    max_quarantine_share_by_reason: dict[str, float] = Field(
        default_factory=dict,
        description="The same for one reason, for example {unknown label: 0.001}; broken row "
        "stands for all rows that cannot be read. A reason that is not named here is held to "
        "the share for all.",
    )
    groups: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="The admitted values of a group column, by column; a column that is not named "
        "here admits every value. A missing value is admitted.",
    )

    @property
    def words_for_missing(self) -> frozenset[str]:
        """All spellings of what stands for a missing label; none where the labels are named."""
        if self.labels is not None:
            return frozenset()
        return frozenset(
            spelling
            for word in self.missing_labels
            for spelling in (word, word.lower(), word.upper(), word.capitalize())
        )

    @field_validator("forbidden_characters")
    @classmethod
    def _without_nul(cls, value: str) -> str:
        """Without NUL, which no text may hold anyway, and no PostgreSQL takes in its JSON."""
        return value.replace("\x00", "")

    @field_validator("labels")
    @classmethod
    def _labels_can_be_met(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for label in labels or ():
            if label != label.strip() or not label:
                raise ValueError(
                    f"label {excerpt(label)} is empty or has white space around it, which "
                    "ingestion takes away from the data's labels"
                )
        if labels and len(set(labels)) < len(labels):
            raise ValueError(f"a label is named twice in {list(labels)}")
        return labels

    @field_validator("languages")
    @classmethod
    def _languages_are_known(cls, codes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        code_of = {code: code for code in LANGUAGES} | {LANGUAGES[one]: one for one in LANGUAGES}
        wrong = []
        for place, code in enumerate(codes or ()):
            if code not in LANGUAGES:
                near = nearest(code, tuple(code_of))
                meant = f"; did you mean {code_of[near]!r}?" if near else f": {_list(LANGUAGES)}"
                told = f"{code!r} is no ISO 639-1 code of a known language{meant}"
                wrong.append(WrongSetting((place,), told, code))
        refuse(wrong)
        return codes

    @field_validator("scripts")
    @classmethod
    def _scripts_are_known(cls, scripts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        refuse(
            WrongSetting(
                (place,),
                f"{script!r} is no Unicode script that is known{_meant(script, sorted(SCRIPTS))}",
                script,
            )
            for place, script in enumerate(scripts or ())
            if script not in SCRIPTS
        )
        return scripts

    @model_validator(mode="after")
    def _shares_by_reason_are_shares(self) -> Self:
        refuse(
            WrongSetting(
                ("max_quarantine_share_by_reason", reason),
                f"{share:g} for {reason!r} is no share; name one from 0 to 1",
                share,
            )
            for reason, share in self.max_quarantine_share_by_reason.items()
            if not 0 <= share <= 1
        )
        return self

    @model_validator(mode="after")
    def _reasons_are_known(self) -> Self:
        known = tuple(self._reasons())
        refuse(
            WrongSetting(
                ("max_quarantine_share_by_reason", reason),
                f"{reason!r} is no reason for which a row is put aside{_meant(reason, known)}",
                share,
            )
            for reason, share in self.max_quarantine_share_by_reason.items()
            if reason not in known and not reason.startswith((_MISSING, _INVALID_ENCODING))
        )
        return self

    def check_columns(self, columns: Sequence[str]) -> None:
        """Refuse a reason about a column that rows of the task type do not have.

        Args:
            columns: names of those that they have.

        Raises:
            ValueError: there is such a reason.

        """
        known = tuple(f"{_MISSING}{column}" for column in columns)
        refuse(
            WrongSetting(
                ("contract", "max_quarantine_share_by_reason", reason),
                f"{reason!r} names no column of the task type{_meant(reason, known)}",
                share,
            )
            for reason, share in self.max_quarantine_share_by_reason.items()
            if reason.startswith(_MISSING) and reason not in known
        )

    def _reasons(self) -> Iterator[str]:
        """All reasons for which a row can be put aside."""
        yield from (f"{_MISSING}COLUMN", *ROW_REASONS, *BROKEN_ROW_REASONS)
        yield from (f"unknown {group}" for group in self.groups)

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        bounds = (
            ("min_text_length", "max_text_length"),
            ("min_tokens", "max_tokens"),
            ("min_length_ratio", "max_length_ratio"),
            ("min_target", "max_target"),
            ("min_label_share", "max_label_share"),
        )
        valid = [
            (low, getattr(self, low), high, getattr(self, high))
            for low, high in bounds
            if are_valid(self, low, high)
        ]
        refuse(
            WrongSetting((low,), f"{low} {least} exceeds {high} {most}", least)
            for low, least, high, most in valid
            if least is not None and most is not None and least > most
        )
        return self


def _meant(word: str, known: Sequence[str]) -> str:
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else f": {', '.join(known)}"


def _list(values: Sequence[str] | dict[str, str]) -> str:
    return ", ".join(sorted(values))
