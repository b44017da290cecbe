"""Probes of the trained model beside its evaluation."""

from infra.store import open_store
from infra.tracking import open_tracking
from tasks.evaluation.settings import EvaluationSettings
from tasks.probes.harm.settings import HarmSettings, ScorerSettings
from tasks.probes.language_bias.settings import LanguageBiasSettings
from tasks.probes.leave_one_domain_out.settings import LeaveOneDomainOutSettings
from tasks.probes.memory.settings import MemorySettings, PlantedCanarySettings
from tasks.probes.out_of_distribution.settings import OutOfDistributionSettings
from tasks.probes.robustness.settings import RobustnessSettings
from tasks.records.data import DataReport, Snapshot, SourceFile
from tasks.records.evaluation import Scores
from tasks.records.harm import Scorer
from tasks.records.leave_one_domain_out import Domains
from tasks.records.memory import Canaries
from tasks.records.training import BaseModel, Tokens, Weights
from tasks.stages.caching import cached_stage, look_up
from tasks.validation.personal_data.settings import PrivacySettings


@cached_stage(gpu=True)
def probe_robustness(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    task_type: str,
    settings: RobustnessSettings,
    evaluation: EvaluationSettings,
) -> Scores:
    """Ask the model about the test rows with small changes, and add what they do to its answers."""
    from tasks.probes.robustness.probing import add_robustness

    return add_robustness(
        scores, weights, data, task_type, settings, evaluation, store=open_store()
    )


@look_up
def pin_probe_files(settings: LanguageBiasSettings) -> tuple[SourceFile, ...]:
    """Fingerprint the files of published sentences and questions, as they are now."""
    from tasks.probes.language_bias import files

    return files.pin_files(settings, open_store())


@cached_stage(gpu=True)
def probe_language_bias(
    scores: Scores,
    weights: Weights,
    files: tuple[SourceFile, ...],
    task_type: str,
    settings: LanguageBiasSettings,
    evaluation: EvaluationSettings,
) -> Scores:
    """Ask a language model about published sentences and questions, and add the stereotypes."""
    from tasks.probes.language_bias.probing import add_language_bias

    return add_language_bias(
        scores, weights, files, task_type, settings, evaluation, store=open_store()
    )


@look_up
def pin_out_of_distribution_texts(settings: OutOfDistributionSettings) -> SourceFile:
    """Read the file of out-of-distribution texts once, and fingerprint it as it is now."""
    from tasks.probes.out_of_distribution.files import pin_out_of_distribution_texts as pin

    return pin(settings, open_store())


@cached_stage(gpu=True)
def probe_out_of_distribution(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    file: SourceFile,
    task_type: str,
    settings: OutOfDistributionSettings,
    evaluation: EvaluationSettings,
) -> Scores:
    """Ask the model about out-of-distribution texts, and add how well it tells them."""
    from tasks.probes.out_of_distribution.probing import add_out_of_distribution

    return add_out_of_distribution(
        scores, weights, data, file, task_type, settings, evaluation, store=open_store()
    )


@cached_stage()
def plant_canaries(task_type: str, settings: PlantedCanarySettings, seed: int) -> Canaries:
    """Make training rows with secrets in them, to be looked for in the trained model."""
    from tasks.probes.memory import planting

    return planting.plant_canaries(task_type, settings, seed, store=open_store())


@cached_stage()
def cut_for_shadow(tokens: Tokens, shadow: int, seed: int) -> Tokens:
    """Take the half of the training rows that a shadow model learns."""
    from tasks.probes.memory import shadows

    return shadows.cut_for_shadow(tokens, shadow, seed, store=open_store())


@cached_stage(gpu=True)
def probe_memory(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    snapshot: Snapshot,
    task_type: str,
    settings: MemorySettings,
    evaluation: EvaluationSettings,
    reference: BaseModel | None = None,
    canaries: Canaries | None = None,
    shadows: tuple[Weights, ...] = (),
) -> Scores:
    """Ask the model what it remembers of its training rows, and add what it gives away."""
    from tasks.probes.memory.probing import add_memory

    return add_memory(
        scores, weights, data, snapshot, task_type, settings, evaluation, reference, canaries,
        shadows, store=open_store(),
    )  # fmt: skip


@look_up
def pin_harm_files(settings: HarmSettings) -> tuple[SourceFile, ...]:
    """Fingerprint the files of prompts, terms and requests, as they are now."""
    from tasks.probes.harm import files

    return files.pin_files(settings, open_store())


@look_up
def pin_scorer(settings: ScorerSettings) -> Scorer:
    """Look up the version that labels texts as it is now."""
    from tasks.registry.named_version import AskedFor
    from tasks.registry.scorers import scorer_of

    asked = AskedFor("probes.harm.scorer", settings.line, settings.alias)
    return scorer_of(asked, settings.label, store=open_store(), tracking=open_tracking())


@cached_stage(gpu=True)
def probe_harm(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    files: tuple[SourceFile, ...],
    task_type: str,
    settings: HarmSettings,
    privacy: PrivacySettings,
    evaluation: EvaluationSettings,
    scorer: Scorer | None = None,
) -> Scores:
    """Ask the model for texts, and add what they hold that it should not write."""
    from tasks.probes.harm.probing import add_harm

    return add_harm(
        scores, weights, data, files, task_type, settings, privacy, evaluation, scorer,
        store=open_store(),
    )  # fmt: skip


@cached_stage()
def find_domains(
    data: DataReport, snapshot: Snapshot, task_type: str, settings: LeaveOneDomainOutSettings
) -> Domains:
    """Count the rows of the domains that are left out in turn; refuse what cannot be."""
    from tasks.probes.leave_one_domain_out import domains

    return domains.find_domains(data, snapshot, task_type, settings, store=open_store())


@cached_stage()
def cut_domain(
    tokens: Tokens,
    data: DataReport,
    snapshot: Snapshot,
    task_type: str,
    settings: LeaveOneDomainOutSettings,
    domain: str,
) -> Tokens:
    """Take the training and validation rows of a domain out of the tokens."""
    from tasks.probes.leave_one_domain_out import domains

    return domains.cut_domain(
        tokens, data, snapshot, task_type, settings, domain, store=open_store()
    )


@cached_stage(gpu=True)
def probe_domains(
    scores: Scores,
    weights: Weights,
    data: DataReport,
    snapshot: Snapshot,
    domains: Domains,
    unseen: tuple[Weights, ...],
    task_type: str,
    settings: LeaveOneDomainOutSettings,
    evaluation: EvaluationSettings,
) -> Scores:
    """Hold the candidate against models that did not learn a domain, on its test rows."""
    from tasks.probes.leave_one_domain_out.measuring import add_left_out_domains

    return add_left_out_domains(
        scores, weights, data, snapshot, domains, unseen, task_type, settings, evaluation,
        store=open_store(),
    )  # fmt: skip
