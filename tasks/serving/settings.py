"""Settings of `assayline serve`."""

from typing import Self

from pydantic import Field, model_validator

from infra.settings_models import SettingsModel
from tasks.records.explanation import Method


class BatchSettings(SettingsModel):
    """How requests that come at once are answered together."""

    max_tokens: int = Field(
        default=4_096,
        ge=1,
        le=1_000_000,
        description="Tokens of the rows that are given to the model at once, each counted up to "
        "the model's max_length; one row is always given, however long.",
    )
    max_wait_ms: float = Field(
        default=2.0,
        ge=0,
        le=1_000,
        description="Milliseconds that a row waits at most for others to fill its batch, where the "
        "model is free; 0 never waits.",
    )


class RecordSettings(SettingsModel):
    """What is kept of requests and answers."""

    share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the requests that are recorded, drawn by the digest of the request's "
        "id, so that every process draws the same. Personal data is replaced as the line's "
        "`privacy` says; a row that it would put aside is not recorded. 0 records none.",
    )
    flush_s: float = Field(
        default=60.0,
        ge=0.1,
        le=3_600,
        description="Seconds after which what was recorded is written to the store.",
    )
    max_buffered_rows: int = Field(
        default=20_000,
        ge=1,
        le=10_000_000,
        description="Rows that are held in memory while the store is away or slow; more of "
        "requests are not recorded, which is counted and said, and feedback is refused with 503.",
    )


class ShadowSettings(SettingsModel):
    """What a candidate in shadow may take from the version in production."""

    share_of_time: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="Share of the time that the candidate is asked while the version in production "
        "has requests to answer, on the same cores; while it has none, the candidate is asked all "
        "the time.",
    )
    max_waiting_rows: int = Field(
        default=256,
        ge=1,
        le=1_000_000,
        description="Rows that may wait for the candidate; it is not asked a request beyond, which "
        "is counted.",
    )


class CanaryServingSettings(SettingsModel):
    """How a candidate that a canary tries is asked."""

    timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=3_600,
        description="Seconds after which the version in production answers in place of a candidate "
        "that has not; at most half of request_timeout_s.",
    )
    shadow: ShadowSettings = Field(
        default=ShadowSettings(),
        description="What a candidate in shadow may take from the version in production.",
    )


class EntitiesSettings(SettingsModel):
    """Which tagging line finds the entities of a request that marks none."""

    line: str = Field(
        min_length=1,
        description="A tagging line, whose version in production finds the entities. It is served "
        "beside this line, in a process of its own, and followed likewise.",
    )
    max_pairs: int = Field(
        default=110,
        ge=2,
        le=10_000,
        description="Ordered pairs of entities of a text whose relation is asked; 110 are those of "
        "11 entities. Of more, those are asked whose entities stand closest, and the answer says "
        "how many were left out.",
    )
    types: dict[str, str] = Field(
        default={},
        description="What this line's rows call a type of entity, where the tagging line has "
        "another name: {PER: person}. Other types keep theirs.",
    )


class ExplainedServingSettings(SettingsModel):
    """How a request that asks for it is told which words moved its answers."""

    method: Method = Field(
        default="occlusion",
        description="How the words' part in an answer is told. The line's report says how far each "
        "method is to be believed of a version, where its settings have `explanation`.",
    )
    max_texts: int = Field(
        default=4,
        ge=1,
        le=256,
        description="Texts of one request that asks for explanations; one of more is refused with "
        "413.",
    )
    max_waiting_texts: int = Field(
        default=16,
        ge=1,
        le=10_000,
        description="Texts of all requests that may wait for their explanations, or be explained, "
        "at once; a request beyond is refused with 503 and Retry-After.",
    )
    timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=3_600,
        description="Seconds that a request waits for its turn, and seconds that its explanations "
        "may take then; after that its answers are given without them.",
    )

    @model_validator(mode="after")
    def _one_request_can_wait(self) -> Self:
        if self.max_texts > self.max_waiting_texts:
            raise ValueError(
                f"serving.explanations.max_texts is {self.max_texts}, more than max_waiting_texts "
                f"({self.max_waiting_texts}): a request of as many texts would be refused always; "
                "set it to as many or fewer"
            )
        return self


class ServingSettings(SettingsModel):
    """How the version in production is served over HTTP."""

    processes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes that hold the model, each with a copy of it; one uses all cores.",
    )
    batch: BatchSettings = Field(
        default=BatchSettings(), description="How requests that come at once are answered together."
    )
    max_waiting_rows: int = Field(
        default=1_024,
        ge=1,
        le=1_000_000,
        description="Rows that may wait for the model; a request beyond is refused with 503 and "
        "Retry-After. It is also the most rows of one request.",
    )
    max_request_bytes: int = Field(
        default=4 << 20,
        ge=1_024,
        le=1 << 30,
        description="Bytes of one request; a larger one is refused with 413.",
    )
    request_timeout_s: float = Field(
        default=60.0,
        gt=0,
        le=3_600,
        description="Seconds in which a request is answered, or refused with 503. A model that "
        "works on one batch for as long is ended and started anew.",
    )
    start_timeout_s: float = Field(
        default=180.0, gt=0, le=3_600, description="Seconds for the start of a model's process."
    )
    poll_s: float = Field(
        default=5.0,
        ge=0.1,
        le=3_600,
        description="Seconds between two looks at which version is in production, and which canary "
        "goes on.",
    )
    drain_s: float = Field(
        default=5.0,
        ge=0,
        le=600,
        description="Seconds that connections have, at SIGTERM, to end with an answer that says so "
        "(Connection: close); idle ones are closed after. Requests that came are answered first.",
    )
    record: RecordSettings = Field(
        default=RecordSettings(), description="What is kept of requests and answers."
    )
    canary: CanaryServingSettings = Field(
        default=CanaryServingSettings(),
        description="How a candidate that a canary tries is asked.",
    )
    entities: EntitiesSettings | None = Field(
        default=None,
        description="Of relation extraction: the tagging line that finds the entities of requests "
        "which carry a text alone.",
    )
    explanations: ExplainedServingSettings | None = Field(
        default=None,
        description="How a request that asks for it (params: {explain: true}) is told which words "
        "moved its answers, by a process of its own with another copy of the model; {} for the "
        "defaults. Without it, such a request is refused.",
    )

    @property
    def candidate_timeout_s(self) -> float:
        """Seconds that a candidate has; as many are left for production at least."""
        return min(self.canary.timeout_s, self.request_timeout_s / 2)

    @model_validator(mode="after")
    def _buffer_holds_a_request(self) -> Self:
        if self.record.max_buffered_rows < self.max_waiting_rows:
            raise ValueError(
                f"serving.record.max_buffered_rows is {self.record.max_buffered_rows}, less than "
                f"serving.max_waiting_rows ({self.max_waiting_rows}), the most rows of one "
                "request: it could never be recorded whole; set it to as many or more"
            )
        return self
