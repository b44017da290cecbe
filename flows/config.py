"""The settings of one model line: every stage's under one roof, read from one YAML file."""

import dataclasses
import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from flows.abstention_checks import gates_of_abstention, wrong_abstention
from flows.augmentation_checks import wrong_augmentation
from flows.compression_checks import wrong_compression
from flows.distillation_checks import wrong_distillation
from flows.explanation_checks import wrong_explanation
from flows.gate_checks import wrong_gates
from flows.gate_names import swaps_words, why_no_own_metric
from flows.mitigation_checks import wrong_mitigation
from flows.preference_checks import wrong_preference
from flows.privacy_checks import wrong_privacy
from flows.probe_checks import (
    wrong_harm,
    wrong_language_bias,
    wrong_leave_one_domain_out,
    wrong_memory,
    wrong_out_of_distribution,
    wrong_robustness,
)
from flows.pruning_checks import wrong_pruning
from flows.serving_checks import wrong_serving
from flows.settings_fields import models_in
from flows.settings_files import PolicyOfFile, anchored_model, read_policy_file, read_settings
from flows.sweep_checks import wrong_space
from infra.errors import SettingsError
from infra.settings import explain_validation
from infra.settings_models import SettingsModel, WrongSetting, are_valid, refuse
from tasks.abstention.settings import AbstentionSettings
from tasks.augmentation.settings import AugmentationSettings
from tasks.compression.settings import CompressionSettings
from tasks.drift.settings import DriftSettings
from tasks.evaluation.base_models.settings import ChooseSettings
from tasks.evaluation.golden_settings import GoldenSettings
from tasks.evaluation.settings import EvaluationSettings
from tasks.explanation.settings import ExplanationSettings
from tasks.fairness.counterfactual_settings import CounterfactualSettings
from tasks.fairness.settings import FairnessSettings
from tasks.ingestion.splits import SplitSettings
from tasks.label_checks.settings import LabelCheckSettings
from tasks.mitigation.settings import MitigationSettings
from tasks.monitoring.settings import MonitorSettings, watched_gates
from tasks.notifications.settings import Notifications
from tasks.probes.settings import ProbeSettings
from tasks.registry.fairness_gates import default_fairness_gates
from tasks.registry.policy_gates import written_out
from tasks.registry.settings import (
    PolicySettings,
    RegistrySettings,
    StagingSettings,
    default_policy,
)
from tasks.reporting.settings import CardSettings
from tasks.representation.settings import RepresentationSettings
from tasks.serving.scoring.settings import ScoringSettings
from tasks.serving.settings import ServingSettings
from tasks.sources.settings import HubSource, MixedSource, SourceSettings
from tasks.sources.watch_settings import WatchSourceSettings
from tasks.sweep.settings import SweepSettings
from tasks.task_types.names import TaskTypeName
from tasks.task_types.reference_answers import reads_reference
from tasks.task_types.row_shapes import shape_of
from tasks.tokenization.settings import BaseModelSettings, TokenizationSettings
from tasks.training.distillation.settings import DistillationSettings
from tasks.training.pruning.settings import PruningSettings
from tasks.training.settings import TrainingSettings, check_method
from tasks.validation.contract.settings import ContractSettings
from tasks.validation.leakage.settings import LeakageSettings
from tasks.validation.personal_data.settings import PrivacySettings

MAX_LINE_CHARACTERS: Final = 63
LINE_PATTERN: Final = rf"^[a-z0-9][a-z0-9-]{{0,{MAX_LINE_CHARACTERS - 1}}}$"

Config = TypeVar("Config", bound="DataConfig")


class DataConfig(SettingsModel):
    """What the data of a line is and must be; the form of a check in the Prefect UI."""

    line: str = Field(
        pattern=LINE_PATTERN,
        description="Name of the model line: lower-case letters, digits and dashes. It is the "
        "name of the registered model in MLflow.",
    )
    task_type: TaskTypeName = Field(
        default="classification", description="What the model is for, and so what a row is."
    )
    source: SourceSettings = Field(
        description="Where the rows come from. Several sources are named under `sources`, which "
        "stands in place of this: {shop: {format: csv, path: a.csv, weight: 0.7}, forum: {...}}."
    )
    splits: SplitSettings = Field(
        default=SplitSettings(), description="Shares of training, validation and test rows."
    )
    contract: ContractSettings = Field(
        default=ContractSettings(), description="What the rows must keep to."
    )
    leakage: LeakageSettings = Field(
        default=LeakageSettings(), description="Which rows are too like one another."
    )
    privacy: PrivacySettings = Field(
        default=PrivacySettings(), description="What becomes of personal data and secrets."
    )
    label_checks: LabelCheckSettings = Field(
        default=LabelCheckSettings(),
        description="What is looked for among the labels: what predicts them too well, and "
        "which look wrong.",
    )
    representation: RepresentationSettings = Field(
        default=RepresentationSettings(), description="Whose presence in the rows is measured."
    )
    drift: DriftSettings = Field(
        default=DriftSettings(), description="When the rows differ too much from the champion's."
    )
    base_model: BaseModelSettings = Field(
        default=BaseModelSettings(), description="The weights and tokenizer to start from."
    )

    @field_validator("line", mode="before")
    @classmethod
    def _line_is_a_name(cls, value: Any) -> Any:
        if not isinstance(value, str) or re.fullmatch(LINE_PATTERN, value):
            return value
        plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode().lower()
        near = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_LINE_CHARACTERS].rstrip("-")
        raise ValueError(
            "a line's name has lower-case letters a to z, digits and dashes, begins with a letter "
            f"or digit, and has at most {MAX_LINE_CHARACTERS} characters"
            + (f"; did you mean {near}?" if near else "")
        )

    @model_validator(mode="after")
    def _tokens_can_be_counted(self) -> Self:
        """A tokenizer that is yet to be trained on the clean rows cannot choose them."""
        counted = {
            name: getattr(self.contract, name)
            for name in ("min_tokens", "max_tokens")
            if self.base_model.scratch and are_valid(self.contract, name)
        }
        refuse(
            WrongSetting(
                ("contract", name),
                f"contract.{name} is {value}, and counts tokens of a pretrained base model, but "
                "base_model.scratch builds one from the clean rows; set "
                f"contract.{name.replace('tokens', 'text_length')} (characters) instead",
                value,
            )
            for name, value in counted.items()
            if value is not None
        )
        return self

    @model_validator(mode="after")
    def _reasons_name_columns(self) -> Self:
        """A share for a reason that no row can have would never end a run."""
        self.contract.check_columns(shape_of(self.task_type).names)
        return self

    @model_validator(mode="before")
    @classmethod
    def _sources_are_a_source(cls, given: Any) -> Any:
        """`sources`, which people write, as the source that it is short for."""
        if not isinstance(given, dict) or "sources" not in given:
            return given
        if "source" in given:
            raise ValueError(
                "both source and sources are given; put the one source among the others, under a "
                "name of its own"
            )
        others = {name: value for name, value in given.items() if name != "sources"}
        return others | {"source": {"format": "mixed", "sources": given["sources"]}}

    @classmethod
    def _with_own_key(cls, item: Any) -> InitErrorDetails:
        """Several sources are named by `sources`, however the file or form has them."""
        error = super()._with_own_key(item)
        if error.get("loc", ())[:2] == ("source", "sources"):
            error["loc"] = error.get("loc", ())[1:]
        return error

    @model_validator(mode="after")
    def _source_makes_such_rows(self) -> Self:
        """What no row of the task type can have is refused before anything is read."""
        from tasks.sources.preparation import check_source

        shape = dataclasses.replace(shape_of(self.task_type), split_column=self.splits.column)
        try:
            check_source(self.source, shape, self.contract.labels)
        except SettingsError as error:
            raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _splits_name_the_sources(self) -> Self:
        given = self.splits.by_source
        named = set(self.source.sources) if isinstance(self.source, MixedSource) else set()
        if given and not named:
            raise ValueError(
                "splits.by_source names sources and there is one; name a source for each split "
                "under sources, or the column that says the split in splits.column"
            )
        if given and set(given) != named:
            unknown, untold = sorted(set(given) - named), sorted(named - set(given))
            raise ValueError(
                "splits.by_source must say the split of each of sources"
                + (f"; it names {', '.join(unknown)}, which is none of them" if unknown else "")
                + (f"; it lacks {', '.join(untold)}" if untold else "")
            )
        return self


class RetrainConfig(DataConfig):
    """All settings of a retraining; the form of a run in the Prefect UI."""

    tokenization: TokenizationSettings = Field(
        default=TokenizationSettings(), description="From text to token ids."
    )
    training: TrainingSettings = Field(
        default=TrainingSettings(), description="How the model is fine-tuned."
    )
    augmentation: AugmentationSettings | None = Field(
        default=None,
        description="Which new training rows are made of those there are; without it, none. See "
        "docs/augmentation.md.",
    )
    mitigation: MitigationSettings | None = Field(
        default=None,
        description="What is done while the model learns so that it treats groups more alike; "
        "without it, every training row counts once. See docs/mitigation.md.",
    )
    distillation: DistillationSettings | None = Field(
        default=None,
        description="The trained model that the line's model learns from beside the labels; "
        "without it, from the labels alone. See docs/distillation.md.",
    )
    pruning: PruningSettings | None = Field(
        default=None,
        description="What is cut away of the trained model, which then is trained on; without it, "
        "nothing. See docs/compression.md.",
    )
    compression: CompressionSettings | None = Field(
        default=None,
        description="What the trained model is made into before it is judged and served; without "
        "it, it is served as it was trained. See docs/compression.md.",
    )
    evaluation: EvaluationSettings = Field(
        default=EvaluationSettings(), description="How quality is measured."
    )
    fairness: FairnessSettings = Field(
        default=FairnessSettings(), description="Which groups are assessed."
    )
    counterfactuals: CounterfactualSettings = Field(
        default=CounterfactualSettings(),
        description="Which words of the test rows are swapped for another group's.",
    )
    probes: ProbeSettings = Field(
        default=ProbeSettings(),
        description="What else is asked of the trained model, beside its evaluation. See "
        "docs/probes.md.",
    )
    explanation: ExplanationSettings | None = Field(
        default=None,
        description="Which test rows are explained by which methods, and how far these are to be "
        "believed; without it, none. See docs/explanation.md.",
    )
    abstention: AbstentionSettings | None = Field(
        default=None,
        description="Which answers a classifier withholds, so that those it gives keep to a risk; "
        "without it, it answers every row. See docs/abstention.md.",
    )
    staging: StagingSettings = Field(
        default=StagingSettings(), description="How the registered artifact is tried."
    )
    registry: RegistrySettings = Field(
        default=RegistrySettings(), description="How moves past the ledger are dealt with."
    )
    scoring: ScoringSettings = Field(
        default=ScoringSettings(), description="How batches are scored by `assayline score`."
    )
    policy: PolicySettings = Field(
        default_factory=lambda given: _default_policy(given),  # noqa: PLW0108 - it stands below
        description="The gates that a candidate must pass; a line that names none must beat the "
        "baseline in its task type's leading metric, fall behind neither champion nor anchor, "
        "treat groups alike as far as its test rows can tell, and with abstention answer half of "
        "the rows. In a line's file also the path of a "
        "YAML file that holds all of it.",
    )

    card: CardSettings = Field(
        default=CardSettings(), description="What the model card says that nothing measures."
    )
    serving: ServingSettings = Field(
        default=ServingSettings(),
        description="How `assayline serve` puts the version in production behind HTTP.",
    )
    notifications: Notifications = Field(
        default=(),
        description="Notification blocks of the Prefect server through which is told what the "
        "line comes to, each with what is sent through it; none by default.",
    )
    monitor: MonitorSettings = Field(
        default=MonitorSettings(), description="How recorded rows are watched in production."
    )
    watch_source: WatchSourceSettings = Field(
        default=WatchSourceSettings(),
        description="When the source is looked at between retrainings; new data starts one.",
    )
    choose: ChooseSettings | None = Field(
        default=None,
        description="Which base models `assayline choose` holds against that of the line; a "
        "retraining reads none of it. See docs/choose.md.",
    )
    sweep: SweepSettings | None = Field(
        default=None,
        description="Which settings of the line `assayline sweep` tries on validation rows, and "
        "which of them it takes; a retraining reads none of it. See docs/sweep.md.",
    )

    @property
    def described_card(self) -> CardSettings:
        """What the card says, with what source and contract say where it is left open."""
        card, source = self.card, self.source
        named = None
        if isinstance(source, HubSource) and not source.dataset.startswith((".", "/")):
            named = (source.dataset,)
        return card.model_copy(
            update={
                "languages": card.languages or self.contract.languages,
                "datasets": card.datasets or named,
            }
        )

    @property
    def proof(self) -> "ProofSettings":
        """What a candidate must prove."""
        return ProofSettings(
            policy=self.policy, evaluation=self.evaluation, fairness=self.fairness,
            counterfactuals=self.counterfactuals,
        )  # fmt: skip

    @field_validator("policy", mode="before")
    @classmethod
    def _gates_are_there(cls, given: Any, info: ValidationInfo) -> Any:
        """A policy without a list of gates has the default one, and says what else it says."""
        if isinstance(given, str):
            raise ValueError(  # noqa: TRY004 - pydantic takes no other
                "the path of a policy file is read from the file of a line; here the policy's own "
                "settings are needed, such as gates"
            )
        if isinstance(given, PolicySettings):
            given = given.model_dump(exclude_unset=True)
        if not isinstance(given, dict):
            return given
        shape = shape_of(info.data.get("task_type", "classification"))
        return written_out(given, _default_policy(info.data), shape.leading)

    @model_validator(mode="after")
    def _loss_knows_the_settings(self) -> Self:
        if self.training.asks_of_the_task_type:
            from tasks.task_types.learner import LEARNERS

            try:
                check_method(self.task_type, LEARNERS.load(self.task_type), self.training)
            except SettingsError as error:
                raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _new_rows_keep_their_labels(self) -> Self:
        if self.augmentation is not None:
            refuse(wrong_augmentation(self, self.augmentation))
        return self

    @model_validator(mode="after")
    def _groups_can_be_weighed(self) -> Self:
        if self.mitigation is not None:
            refuse(wrong_mitigation(self, self.mitigation))
        return self

    @model_validator(mode="after")
    def _served_entities_are_of_use(self) -> Self:
        refuse(wrong_serving(self))
        return self

    @model_validator(mode="after")
    def _student_can_be_taught(self) -> Self:
        if self.distillation is not None:
            refuse(wrong_distillation(self, self.distillation))
        return self

    @model_validator(mode="after")
    def _private_rows_have_no_other_way(self) -> Self:
        if self.training.differential_privacy is not None:
            refuse(wrong_privacy(self))
        return self

    @model_validator(mode="after")
    def _reference_has_learned(self) -> Self:
        if reads_reference(self.task_type):
            refuse(wrong_preference(self))
        return self

    @model_validator(mode="after")
    def _space_makes_lines(self) -> Self:
        """Each trial of a sweep is a line of its own, which a setting may refuse."""
        if self.sweep is not None:
            refuse(wrong_space(self, self.sweep))
        return self

    @model_validator(mode="after")
    def _model_can_be_compressed(self) -> Self:
        if self.compression is not None:
            refuse(wrong_compression(self, self.compression))
        return self

    @model_validator(mode="after")
    def _model_can_be_probed(self) -> Self:
        if are_valid(self, "probes") and self.probes.robustness is not None:
            refuse(wrong_robustness(self, self.probes.robustness))
        if are_valid(self, "probes") and self.probes.language_bias is not None:
            refuse(wrong_language_bias(self))
        if are_valid(self, "probes") and self.probes.out_of_distribution is not None:
            refuse(wrong_out_of_distribution(self))
        if are_valid(self, "probes") and self.probes.leave_one_domain_out is not None:
            refuse(wrong_leave_one_domain_out(self, self.probes.leave_one_domain_out))
        if are_valid(self, "probes") and self.probes.memory is not None:
            refuse(wrong_memory(self, self.probes.memory))
        if are_valid(self, "probes") and self.probes.harm is not None:
            refuse(wrong_harm(self, self.probes.harm))
        return self

    @model_validator(mode="after")
    def _answers_can_be_explained(self) -> Self:
        if self.explanation is not None:
            refuse(wrong_explanation(self, self.explanation))
        return self

    @model_validator(mode="after")
    def _answers_can_be_withheld(self) -> Self:
        if self.abstention is not None:
            refuse(wrong_abstention(self, self.abstention))
        return self

    @model_validator(mode="after")
    def _model_can_be_pruned(self) -> Self:
        if self.pruning is not None:
            refuse(wrong_pruning(self))
        return self

    @model_validator(mode="after")
    def _own_metrics_are_installed(self) -> Self:
        if self.evaluation.own_metrics:
            refuse(
                WrongSetting(("evaluation", "own_metrics", place), why, name)
                for place, name in enumerate(self.evaluation.own_metrics)
                if (why := why_no_own_metric(name, self.task_type))
            )
        return self

    @model_validator(mode="after")
    def _temperature_has_logits(self) -> Self:
        if self.evaluation.temperature_scaling and self.task_type != "classification":
            raise ValueError(
                "evaluation.temperature_scaling is of classification, whose probabilities come "
                f"from one softmax, and the task_type is {self.task_type}; turn it off"
            )
        return self

    @model_validator(mode="after")
    def _comparisons_name_assessed_groups(self) -> Self:
        groups = self.source.group_columns
        if clash := self.fairness.why_clash(groups):
            raise ValueError(clash)
        if unknown := self.fairness.unassessed(groups):
            raise ValueError(
                f"fairness.intersections or fairness.groups name {unknown}, which nothing "
                f"assesses; assessed are {sorted(self.fairness.attributes(groups))}: add it to "
                "fairness.identity_attributes or source.group_columns"
            )
        return self

    @model_validator(mode="after")
    def _alarms_can_be_raised(self) -> Self:
        """Each gate that labels are held against makes the level of all checks smaller."""
        gates = (*self.policy.gates, *self.policy.fairness_where_decidable)
        if why := self.monitor.why_never(len(watched_gates(gates))):
            raise ValueError(why)
        return self

    @property
    def golden_sets(self) -> GoldenSettings:
        """The golden sets, with the label map of the source where they have none of their own."""
        return self.evaluation.golden_sets.labelled_as(self.source)

    @property
    def behaviour_gates(self) -> tuple[str, ...]:
        """Metrics of the gates on behaviour suites, whose rows say whether there are such."""
        return tuple(g.metric for g in self.policy.gates if g.family == "behaviour")

    @model_validator(mode="after")
    def _golden_sources_make_such_rows(self) -> Self:
        """What no row of the task type can have is refused before anything is read."""
        from tasks.sources.preparation import check_source

        shape = shape_of(self.task_type)
        wrong = []
        for kind, name, source in self.golden_sets.sources():
            try:
                check_source(source, shape, None)
            except SettingsError as error:
                wrong.append(WrongSetting(("evaluation", kind, name), str(error), source.format))
        if self.evaluation.behaviour and shape.label_column is None and shape.passage is None:
            wrong.append(
                WrongSetting(
                    ("evaluation", "behaviour"),
                    f"a row of {self.task_type} is more or less right, so that none passes; suites "
                    "are for labels, tags and answers: name it under evaluation.golden instead",
                    self.task_type,
                )
            )
        refuse(wrong)
        return self

    @model_validator(mode="after")
    def _gates_name_what_is_measured(self) -> Self:
        """A gate on what no candidate can have would stay undetermined after hours of training."""
        refuse(wrong_gates(self))
        return self


class ProofSettings(SettingsModel):
    """What a candidate must prove, as far as that says what the held-out rows can decide."""

    policy: PolicySettings = Field(description="The gates that a candidate must pass.")
    evaluation: EvaluationSettings = Field(
        default=EvaluationSettings(), description="How quality is measured."
    )
    fairness: FairnessSettings = Field(
        default=FairnessSettings(), description="Which groups are assessed."
    )
    counterfactuals: CounterfactualSettings = Field(
        default=CounterfactualSettings(), description="Which words are swapped."
    )


def _default_policy(given: Mapping[str, Any]) -> PolicySettings:
    """The policy of a line that names no gates.

    Args:
        given: its other settings, of which one that is wrong is left out.

    """
    task_type = given.get("task_type", "classification")
    shape = shape_of(task_type)
    fairness = given.get("fairness", FairnessSettings())
    swapped = given.get("counterfactuals", CounterfactualSettings()).families
    source = given.get("source")
    gates = default_fairness_gates(
        fairness.attributes(source.group_columns if source else ()),
        swapped if swaps_words(task_type) else (),
        has_one_class=shape.has_one_class,
    )
    return default_policy(shape.leading, shape.margin, gates, gates_of_abstention(given))


def load_config(path: Path) -> RetrainConfig:
    """Read a line's YAML file; relative paths in it are relative to its folder.

    Where `policy` is a path, the policy is what that file holds.

    Raises:
        SettingsError: the file is missing, is no YAML mapping, or has wrong settings; the message
            lists all of them.
    """
    return _validated(RetrainConfig, read_settings(path), path)


def load_config_with(path: Path, candidates: Sequence[str], folder: Path) -> RetrainConfig:
    """The same with other base models under `choose` than the file names.

    Args:
        path: of the line's file.
        candidates: of `choose.candidates`; paths are relative to `folder`.
        folder: where they were named.

    Raises:
        SettingsError: as `load_config`.
    """
    content = read_settings(path)
    section = content.get("choose")
    content["choose"] = {
        **(section if isinstance(section, dict) else {}),
        "candidates": [anchored_model(one, folder) for one in candidates],
    }
    return _validated(RetrainConfig, content, path)


def load_data_config(path: Path) -> DataConfig:
    """As `load_config`, of what a line's data is alone; a wrong setting anywhere is refused."""
    content = read_settings(path)
    _validated(RetrainConfig, content, path)
    known = {*DataConfig.model_fields, "sources"}
    own = {name: value for name, value in content.items() if name in known}
    return _validated(DataConfig, own, path)


def load_policy(path: Path, of_line: RetrainConfig | None, task_type: str) -> PolicySettings:
    """A policy file, checked with the settings of the line that it is of.

    Args:
        path: the YAML file.
        of_line: the line's settings, whose own policy is left out; None where they are not known,
            and then the names of gates are not held against what the line measures.
        task_type: of the line.

    Raises:
        SettingsError: the file is refused; the message lists all that is wrong.

    """
    given = read_policy_file(path)
    try:
        if of_line is not None:
            others = of_line.model_dump(mode="json", exclude_unset=True, exclude={"policy"})
            return RetrainConfig.model_validate({**others, "policy": given}).policy
        shape = shape_of(task_type)
        default = default_policy(shape.leading, shape.margin)
        return PolicySettings.model_validate(written_out(given, default, shape.leading))
    except ValidationError as error:
        message = explain_validation(error, str(path)) + _near_names(error)
        # The file holds the policy itself.
        raise SettingsError(message.replace("\n  policy.", "\n  ")) from error


def _validated(model: type[Config], content: dict[str, Any], path: Path) -> Config:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        policy = content.get("policy")
        named = f", whose policy is {policy.file}," if isinstance(policy, PolicyOfFile) else ""
        message = explain_validation(error, f"{path}{named}")
        raise SettingsError(message + _near_names(error)) from error


def load_line(path: str, line: str) -> dict[str, Any]:
    """Give a deployment the name and the settings of its line: a build step of prefect.yaml.

    So the settings stand in one place, and the form in the Prefect UI shows them. In prefect.yaml:
    ``build: [flows.config.load_line: {id: line, line: my-line, path: configs/my-line.yaml}]``, and
    for what the flow takes ``parameters: {config: "{{ line.config }}"}``, or ``line.data`` for the
    settings of the data alone, or ``line.proof`` for what a candidate must prove, or ``line.name``,
    or ``line.on_outside_move``, ``line.scoring`` and ``line.notifications``, for flows that take no
    other settings. ``line.watch_source`` says when the source is looked at,
    ``line.tries_candidates`` whether the policy asks for a canary, which is to be looked at, and
    ``line.feedback_by`` whose feedback counts there, as it does for the monitor.

    Args:
        path: the YAML file, relative to the folder in which `prefect deploy` runs.
        line: the line that the deployment is of.

    Raises:
        SettingsError: the file is refused, or is of another line.
    """
    config, data = load_config(Path(path)), load_data_config(Path(path))
    if config.line != line:
        raise SettingsError(
            f"{path} is of the line {config.line}, and prefect.yaml gives it to {line}; correct "
            f"the path or the line there, or `line: {config.line}` in the file"
        )
    return {
        "name": line,
        "config": config.model_dump(mode="json", exclude_unset=True),
        "data": data.model_dump(mode="json", exclude_unset=True),
        "proof": config.proof.model_dump(mode="json", exclude_unset=True),
        "on_outside_move": config.registry.on_outside_move,
        "scoring": config.scoring.model_dump(mode="json", exclude_unset=True),
        "notifications": [one.model_dump(mode="json") for one in config.notifications],
        "watch_source": _checked_times(config.watch_source, path),
        "tries_candidates": config.policy.canary is not None,
        "feedback_by": list(config.monitor.feedback_by),
    }


def _checked_times(settings: WatchSourceSettings, path: str) -> dict[str, Any]:
    """When a source is looked at, if Prefect reads that as times."""
    from prefect.client.schemas.schedules import CronSchedule  # which a build step has imported

    try:
        CronSchedule(cron=settings.cron, timezone="UTC")
    except ValidationError as error:
        raise SettingsError(
            f"{path}: watch_source.cron: {settings.cron!r} names no times; right would be a cron "
            "line such as '*/15 * * * *', which is each quarter of an hour"
        ) from error
    return settings.model_dump(mode="json")


def _near_names(error: ValidationError) -> str:
    """For each unknown setting, the known one that it resembles most."""
    hints = []
    for item in error.errors(include_url=False):
        if item["type"] != "extra_forbidden":
            continue
        *parents, unknown = (str(part) for part in item["loc"])
        known = _fields_at(parents)
        near = difflib.get_close_matches(unknown, known, n=1)
        hints.append(
            f"  {unknown}: did you mean {near[0]}?"
            if near
            else f"  {unknown}: known here are {', '.join(known)}"
        )
    return "".join(f"\n{hint}" for hint in hints)


def _fields_at(parents: list[str]) -> list[str]:
    """Names of the settings below a key, for example below ``training``."""
    models: list[type[BaseModel]] = [RetrainConfig]
    for name in ["source", *parents] if parents[:1] == ["sources"] else parents:
        fields = [model.model_fields[name] for model in models if name in model.model_fields]
        models = [found for field in fields for found in models_in(field.annotation)] or models
    return sorted({field for model in models for field in model.model_fields})
