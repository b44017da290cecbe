"""Settings of the search for duplicates and overlaps."""

from typing import Literal

from pydantic import Field

from infra.settings_models import SettingsModel


class BenchmarkSettings(SettingsModel):
    """A public or private held-out set that no training row may overlap."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$", description="What the report calls the benchmark."
    )
    path: str = Field(
        min_length=1,
        description="Its texts: a .txt file (a text a line), or .csv, .tsv, .jsonl or .parquet; "
        "local or s3://bucket/key.",
    )
    column: str = Field(default="text", min_length=1, description="Column of the text in a table.")


class LeakageSettings(SettingsModel):
    """Which likeness of two rows counts, and what becomes of such rows."""

    across_splits: Literal["quarantine", "report"] = Field(
        default="quarantine",
        description="What becomes of a row that is like one of a split held out from it: a train "
        "row like one of validation or test, a validation row like one of test.",
    )
    within_split: Literal["quarantine", "report"] = Field(
        default="report",
        description="What becomes of a row that is like an earlier one of its own split.",
    )
    conflicting_labels: Literal["quarantine", "report"] = Field(
        default="quarantine",
        description="What becomes of rows that differ in case, punctuation or Unicode form alone "
        "and bear different answers: all of them, since none is known to be right.",
    )
    near_duplicates: bool = Field(
        default=True, description="Whether near-duplicates are looked for, beside equal texts."
    )
    jaccard_threshold: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="Jaccard similarity of the shingle sets of two texts from which on they count "
        "as near-duplicates.",
    )
    shingle_characters: int = Field(
        default=5, ge=2, le=20, description="Characters of a shingle, of the normalised text."
    )
    permutations: int = Field(
        default=128, ge=32, le=512, description="MinHash permutations of a text's signature."
    )
    ngram_words: int = Field(
        default=13,
        ge=3,
        le=50,
        description="Words in a row that a training text may not share with a benchmark's text "
        "(characters, in Chinese and Japanese).",
    )
    benchmarks: tuple[BenchmarkSettings, ...] = Field(
        default=(), description="Held-out sets beyond the test split that must not leak in."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the MinHash permutations.")
