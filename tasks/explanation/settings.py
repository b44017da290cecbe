"""Settings of the explanation of a candidate's answers."""

from pydantic import Field, field_validator

from infra.settings_models import SettingsModel
from tasks.protected_groups.term_lists import check_attributes
from tasks.records.explanation import METHODS, Method


class RationaleSettings(SettingsModel):
    """A file that says which words of a text people took their label from."""

    path: str = Field(
        min_length=1,
        description="JSON Lines, a text a line; local, from the folder of the settings file, or "
        "s3://bucket/key. A text is "
        "found again by its letters: rows whose text was changed on the way have no rationale.",
    )
    text: str = Field(default="text", description="The field of the text.")
    tokens: str = Field(
        default="post_tokens", description="The field of its tokens, in their order, as strings."
    )
    marks: str = Field(
        default="rationales",
        description="The field of the marks: for each annotator a list of 0 and 1, one a token; a "
        "token is of the rationale where at least half of the annotators marked it.",
    )


class ExplanationSettings(SettingsModel):
    """Which test rows are explained by which methods, and what is measured of that."""

    methods: tuple[Method, ...] = Field(
        default=METHODS,
        min_length=1,
        description="Ways of telling what each word adds to an answer; their faithfulness is "
        "measured on the same rows. The first one tells the words by label and the identity words.",
    )
    rows: int = Field(
        default=150,
        ge=20,
        le=10_000,
        description="Test rows that are explained, drawn by row_id; all where there are fewer.",
    )
    shares: tuple[float, ...] = Field(
        default=(0.1, 0.2, 0.5),
        min_length=1,
        description="Shares of a row's words that are left out, or kept alone, the strongest "
        "first and at least one; comprehensiveness and sufficiency are means over these (AOPC).",
    )
    words_shown: int = Field(
        default=10, ge=1, le=50, description="Words that are shown of each label and group."
    )
    min_word_rows: int = Field(
        default=3, ge=2, description="Rows below which a word is not shown as one of a label's."
    )
    identity_attributes: tuple[str, ...] = Field(
        default=("gender", "race", "religion", "sexual_orientation"),
        description="Attributes whose words' share of the answers is told in the section on "
        "fairness; each names a term list in tasks/protected_groups/terms.",
    )
    rationales: RationaleSettings | None = Field(
        default=None,
        description="Where people's own rationales lie, that the attributions are held against.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of all that is drawn.")

    @field_validator("methods")
    @classmethod
    def _methods_once(cls, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        if len(set(methods)) < len(methods):
            raise ValueError(f"{list(methods)} names a method twice")
        return methods

    @field_validator("shares")
    @classmethod
    def _shares_are_shares(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if wrong := [share for share in shares if not 0 < share < 1]:
            raise ValueError(f"the share {wrong[0]:g} is none of a row's words; right is 0 to 1")
        if sorted(set(shares)) != list(shares):
            raise ValueError(f"{list(shares)} must rise, and name each share once")
        return shares

    @field_validator("identity_attributes")
    @classmethod
    def _known(cls, attributes: tuple[str, ...]) -> tuple[str, ...]:
        return check_attributes(attributes)
