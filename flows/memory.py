"""What a line does to ask its candidate about its training rows: canaries, shadows, the probe."""

import logging

from flows.config import RetrainConfig
from flows.gate_names import why_no_reference
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.memory import Canaries
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.stages.probes import cut_for_shadow, plant_canaries, probe_memory
from tasks.stages.training import train

logger = logging.getLogger(__name__)


def planted(config: RetrainConfig) -> Canaries | None:
    """Texts with secrets that are learned beside the training rows; None of most lines."""
    settings = config.probes.memory
    if settings is None or settings.canaries is None:
        return None
    return plant_canaries(config.task_type, settings.canaries, settings.seed)


def probe(
    config: RetrainConfig,
    data: DataReport,
    snapshot: Snapshot,
    tokens: Tokens,
    base: BaseModel,
    weights: Weights,
    scores: Scores,
) -> Scores:
    """The scores with what the candidate remembers; as they are where a line does not ask."""
    settings, evaluation = config.probes.memory, config.evaluation.of_one_model
    if settings is None:
        return scores
    reference = None if why_no_reference(config) else base
    return probe_memory(
        scores, weights, data, snapshot, config.task_type, settings, evaluation,
        reference, planted(config), _shadows(config, tokens, base, weights),
    )  # fmt: skip


def _shadows(
    config: RetrainConfig, tokens: Tokens, base: BaseModel, weights: Weights
) -> tuple[Weights, ...]:
    """Models that learn halves of the training rows as the candidate learned all of them."""
    settings, trained = config.probes.memory, []
    assert settings is not None  # noqa: S101 - it is asked of lines that have them
    if settings.shadows:
        logger.info(
            "%s shadow models will be trained on half of the training rows each: about %.0f min, "
            "of %.0f min that the candidate took",
            settings.shadows, settings.shadows * weights.training_s / 2 / 60,
            weights.training_s / 60,
        )  # fmt: skip
    for shadow in range(settings.shadows):
        half = cut_for_shadow(tokens, shadow, settings.seed)
        trained.append(train(config.line, half, base, config.task_type, config.training))
    return tuple(trained)
