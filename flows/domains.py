"""What a line does to ask how its model does on domains that it did not learn."""

import logging

from flows.config import RetrainConfig
from flows.learning import lesson_of
from tasks.records.data import DataReport, Snapshot
from tasks.records.evaluation import Scores
from tasks.records.leave_one_domain_out import Domains
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.stages.evaluation import name_held_out
from tasks.stages.probes import cut_domain, find_domains, probe_domains
from tasks.stages.registry import record_look
from tasks.stages.training import train

logger = logging.getLogger(__name__)


def found(config: RetrainConfig, data: DataReport, snapshot: Snapshot) -> Domains | None:
    """The domains that are left out in turn; None of a line that asks for none."""
    settings = config.probes.leave_one_domain_out
    if settings is None:
        return None
    return find_domains(data, snapshot, config.task_type, settings)


def probe(
    config: RetrainConfig,
    data: DataReport,
    snapshot: Snapshot,
    domains: Domains | None,
    tokens: Tokens,
    base: BaseModel,
    weights: Weights,
    scores: Scores,
) -> Scores:
    """The scores with what each domain is to a model that did not learn it; as they are without."""
    settings = config.probes.leave_one_domain_out
    if settings is None or domains is None:
        return scores
    count = len(domains.trained)
    if count:
        logger.info(
            "%s models will be trained without one %s each: about %.0f min in all at most",
            count, settings.column, count * weights.training_s / 60,
        )  # fmt: skip
    unseen = tuple(
        _train_without(config, data, snapshot, one.name, tokens, base, weights)
        for one in domains.trained
    )
    return probe_domains(
        scores, weights, data, snapshot, domains, unseen, config.task_type, settings,
        config.evaluation.of_one_model,
    )  # fmt: skip


def _train_without(
    config: RetrainConfig,
    data: DataReport,
    snapshot: Snapshot,
    domain: str,
    tokens: Tokens,
    base: BaseModel,
    weights: Weights,
) -> Weights:
    """Train by the same recipe on the rows of all other domains."""
    task_type, settings = config.task_type, config.probes.leave_one_domain_out
    assert settings is not None  # noqa: S101 - it is asked of lines that have them
    others = cut_domain(tokens, data, snapshot, task_type, settings, domain)
    lesson = lesson_of(config, others, base, None)
    without = train(config.line, others, base, task_type, config.training, lesson)
    record_look(config.line, without, name_held_out(data), config.policy, weights)
    return without
