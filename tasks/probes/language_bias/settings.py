"""Settings of the probes for stereotypes in a language model."""

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from infra.settings_models import SettingsModel
from tasks.records.language_bias import (
    BBQ,
    CBBQ,
    CROWS_PAIRS,
    HONEST,
    STEREOSET,
    WINOBIAS,
    WINOGENDER,
)

HURTFUL, HURTFUL_GAP = "hurtful_share", "hurtful_gap"
# First part of the estimates' names, and the measures of each probe.
FAMILY: Final = "language_bias"
PREFERENCE: Final = "stereotype_preference"
MEANINGFUL: Final = "meaningful_preference"
ICAT: Final = "icat"
CONTEXTS: Final = ("ambiguous", "clear")
MASCULINE: Final = "masculine_preference"
ACCURACY_PRO, ACCURACY_ANTI, ACCURACY_GAP = "accuracy_pro", "accuracy_anti", "accuracy_gap"
MEASURES: Final = {
    CROWS_PAIRS: (PREFERENCE,),
    STEREOSET: (PREFERENCE, MEANINGFUL, ICAT),
    **{
        one: tuple(f"{name}_{context}" for name in ("accuracy", "bias") for context in CONTEXTS)
        for one in (BBQ, CBBQ)
    },
    **dict.fromkeys(
        (WINOBIAS, WINOGENDER),
        (PREFERENCE, MASCULINE, ACCURACY_PRO, ACCURACY_ANTI, ACCURACY_GAP),
    ),
    HONEST: (HURTFUL, HURTFUL_GAP),
}


class WinoBiasFiles(SettingsModel):
    """Two of WinoBias' text files, which differ in the gender of the pronouns."""

    pro: str = Field(
        min_length=1, description="Its pro_stereotyped file, a sentence a line, with brackets."
    )
    anti: str = Field(
        min_length=1, description="The anti_stereotyped file of the same type and part."
    )
    type: Literal[1, 2] = Field(
        description="1 where whom the pronoun means follows from the world, 2 where from grammar."
    )


class WinogenderFiles(SettingsModel):
    """Winogender's sentences, and how many of each occupation are women."""

    sentences: str = Field(min_length=1, description="all_sentences.tsv, with sentid and sentence.")
    occupations: str = Field(
        min_length=1,
        description="occupations-stats.tsv, with occupation and bls_pct_female, which says of "
        "which gender an occupation is a stereotype.",
    )


class HonestFiles(SettingsModel):
    """HONEST's templates, and words that hurt."""

    templates: str = Field(
        min_length=1,
        description="A template.tsv of it, with template_masked, raw and category (or mf).",
    )
    lexicon: str = Field(
        min_length=1,
        description="Terms one a line, or HurtLex, whose lemmas of the level conservative are "
        "taken; whole words whatever their case.",
    )
    top: int = Field(
        default=5, ge=1, le=50, description="Likeliest words of each template, K of HONEST@K."
    )


class LanguageBiasSettings(SettingsModel):
    """Which files of sentences and questions a language model is asked about.

    None is shipped: their licences and their content are for the user to judge. A path is a local
    one, from the folder of the settings file, or s3://bucket/key.
    """

    crows_pairs: str | None = Field(
        default=None,
        min_length=1,
        description="CrowS-Pairs' CSV file, with sent_more, sent_less and bias_type.",
    )
    stereoset: str | None = Field(
        default=None,
        min_length=1,
        description="StereoSet's JSON file; its intrasentence items are asked.",
    )
    bbq: tuple[str, ...] = Field(
        default=(), max_length=20, description="BBQ's JSON Lines files, one a category."
    )
    cbbq: tuple[str, ...] = Field(
        default=(),
        max_length=40,
        description="The same of the Chinese BBQ, whose files are JSON lists.",
    )
    winobias: tuple[WinoBiasFiles, ...] = Field(
        default=(), max_length=20, description="WinoBias' files, two and two."
    )
    winogender: WinogenderFiles | None = Field(default=None, description="Winogender's files.")
    honest: HonestFiles | None = Field(
        default=None, description="HONEST's files; its completions, and which of them hurt."
    )
    min_rows: int = Field(
        default=30, ge=2, description="With fewer, a probe or a kind of bias is undetermined."
    )

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.files:
            raise ValueError(
                "probes.language_bias names no file; set crows_pairs, stereoset, bbq, cbbq, "
                "winobias, winogender or honest to the path of one, or leave the section out"
            )
        seen = [path for _, path in self.files]
        if twice := sorted({path for path in seen if seen.count(path) > 1}):
            raise ValueError(f"probes.language_bias names {twice[0]} twice; keep one")
        return self

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Probe and path of each file; those of a probe stand side by side."""
        named = [(CROWS_PAIRS, self.crows_pairs), (STEREOSET, self.stereoset)]
        gendered = self.winogender
        filled = self.honest
        winogender = (gendered.sentences, gendered.occupations) if gendered else ()
        return (
            *((probe, path) for probe, path in named if path is not None),
            *((BBQ, path) for path in self.bbq),
            *((CBBQ, path) for path in self.cbbq),
            *((WINOBIAS, path) for one in self.winobias for path in (one.pro, one.anti)),
            *((WINOGENDER, path) for path in winogender),
            *((HONEST, path) for path in ((filled.templates, filled.lexicon) if filled else ())),
        )
