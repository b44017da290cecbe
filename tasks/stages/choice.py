"""Base models that a line might start from: looked up, probed, and held against each other."""

import logging
from collections.abc import Sequence

from prefect.runtime import flow_run

from infra.store import open_store
from tasks.evaluation.base_models.ground import ChoiceGround
from tasks.evaluation.base_models.settings import ProbeSettings
from tasks.records.choice import Choice, FoundModel, ProbedModel
from tasks.records.data import DataReport
from tasks.records.training import BaseModel
from tasks.stages.caching import cached_stage, look_up
from tasks.stages.page_artifacts import show_markdown
from tasks.task_types.limits import TokenLimits
from tasks.tokenization.settings import BaseModelSettings

logger = logging.getLogger(__name__)


@look_up
def find_base_models(settings: Sequence[BaseModelSettings]) -> tuple[FoundModel, ...]:
    """Look up base models; one that is not there, or is refused, comes with the reason."""
    from tasks.tokenization.base_model import find

    return tuple(find(one) for one in settings)


@cached_stage(gpu=True)
def probe_base_model(
    base: BaseModel,
    data: DataReport,
    task_type: str,
    limits: TokenLimits,
    settings: ProbeSettings,
    seed: int,
) -> ProbedModel:
    """Ask a frozen base model about training and validation rows, and fit a probe to its words."""
    from tasks.evaluation.base_models.probing import probe_model

    return probe_model(base, data, task_type, limits, settings, seed, store=open_store())


@look_up
def compare_base_models(
    ground: ChoiceGround, models: Sequence[tuple[FoundModel, ProbedModel | None]], own: str
) -> Choice:
    """Hold base models against each other on the same rows, and recommend one if that can be."""
    from tasks.evaluation.base_models.choosing import choose

    return choose(ground, models, own, store=open_store())


@look_up
def show_choice(choice: Choice) -> None:
    """Put the table on the page of the run."""
    from tasks.reporting.base_models import choice_markdown
    from tasks.reporting.summaries import artifact_key

    if flow_run.id:
        described = f"Base models that {choice.line} might start from"
        show_markdown(choice_markdown(choice), artifact_key("base-models", choice.line), described)


def say(words: str) -> None:
    """Say something in the log of the run, and so on the console that follows it."""
    logger.info("%s", words)
