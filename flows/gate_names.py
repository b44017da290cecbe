"""Which numbers a line can have, by name: told before anything runs.

What only the data can tell stays open: labels that the contract does not name, groups, values of a
slice's feature and slices that are found by searching. A gate on one of these that is not measured
in the end is undetermined when it is judged.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from infra.errors import SettingsError
from infra.settings_models import are_valid
from tasks.abstention.settings import (
    COVERAGE,
    ERROR_RATE,
    SELECTIVE_RISK,
    SET_COVERAGE,
    SET_SIZE,
)
from tasks.abstention.settings import FAMILY as ABSTENTION
from tasks.explanation.settings import ExplanationSettings
from tasks.probes.harm.settings import (
    LEXICON_GAP,
    LEXICON_RATE,
    PERSONAL_DATA,
    SCORED_GAP,
    SCORED_RATE,
    SECRETS,
    TRAINING,
    TRAINING_SCORED,
)
from tasks.probes.language_bias.settings import (
    ACCURACY_GAP,
    HURTFUL,
    HURTFUL_GAP,
    ICAT,
    MEANINGFUL,
    MEASURES,
)
from tasks.probes.leave_one_domain_out.settings import ELSEWHERE
from tasks.probes.leave_one_domain_out.settings import FAMILY as LEAVE_ONE_DOMAIN_OUT
from tasks.probes.memory.settings import PlantedCanarySettings
from tasks.probes.out_of_distribution.settings import (
    ANSWERED,
    AUROC,
    FALSE_POSITIVE_RATE,
    FLAGGED,
    OF_FEATURES,
    OF_OUTPUTS,
)
from tasks.probes.out_of_distribution.settings import FAMILY as OUT_OF_DISTRIBUTION
from tasks.probes.robustness.settings import ATTACK, DROP, FLIP_RATE, SCORE_SHIFT
from tasks.records.harm import FAMILY as HARM
from tasks.records.harm import OVER_REFUSAL, REFUSAL
from tasks.records.language_bias import BBQ, CBBQ, HONEST
from tasks.task_types.metrics import METRICS, Better, Metric, metrics_of
from tasks.task_types.own_metrics import own_metric
from tasks.task_types.row_shapes import shape_of
from tasks.task_types.text_likelihood import why_no_likelihood

if TYPE_CHECKING:
    from flows.config import RetrainConfig

NAMES_SHOWN: Final = 12
PERCENT: Final = 100.0
# Families that compare the candidate with another model on the same rows.
COMPARATORS: Final = ("baseline", "champion", "anchor")
TEACHER: Final = "teacher"
PRIVACY: Final = "privacy"
UNCOMPRESSED: Final = "uncompressed"
UNMITIGATED: Final = "unmitigated"
AUGMENTATION: Final = "augmentation"
ROBUSTNESS: Final = "robustness"
LANGUAGE_BIAS: Final = "language_bias"
MEMORY: Final = "memory"
# Of which test rows it is told what augmentation has bought; see tasks.evaluation.
AUGMENTED_KINDS: Final = ("clean", "noisy", "group", "swapped")
EXPLANATION: Final = "explanation"
# Words by chance, which the methods of explanation are held against.
BY_CHANCE: Final = "random"
_PLACEHOLDER: Final = re.compile(r"\{([a-z ]+)\}")
_SCORE_GAP: Final = "score_gap"
_FALLING: Final[Better] = "lower"
_GAPS: Final = (
    "accuracy", "demographic_parity", "equal_opportunity", "false_positive_rate",
    "equalized_odds", "predictive_parity", "f1",
)  # fmt: skip
_WORST: Final = ("accuracy", "f1")
_AUCS: Final = ("subgroup_auc", "bpsn_auc", "bnsp_auc")
_AEGS: Final = ("positive_aeg", "negative_aeg")


@dataclass(frozen=True)
class Measurable:
    """A number that a line can have, or all numbers whose names are of one form.

    Attributes:
        form: the name; what stands in braces may be anything, or one of the known names.
        low: the least that it can be.
        high: the most.
        better: which side is better.
        known: names that may stand in the braces; empty where only the data can tell.

    """

    form: str
    low: float = 0.0
    high: float = 1.0
    better: Better = "higher"
    known: tuple[str, ...] = field(default=())

    @property
    def family(self) -> str:
        """The first part of its name."""
        return self.form.split(".", 1)[0]

    def is_of(self, name: str) -> bool:
        """Whether a gate of this name is on it."""
        anything = "|".join(map(re.escape, self.known)) if self.known else ".+"
        parts = _PLACEHOLDER.split(self.form)
        pattern = "".join(
            f"(?:{anything})" if place % 2 else re.escape(part) for place, part in enumerate(parts)
        )
        return re.fullmatch(pattern, name) is not None

    @property
    def names(self) -> tuple[str, ...]:
        """How it may be named: with each known name, or as its form."""
        if not self.known:
            return (self.form,)
        before, _, after = _PLACEHOLDER.split(self.form)
        return tuple(f"{before}{one}{after}" for one in self.known)


def measurable_of(config: "RetrainConfig") -> Iterator[Measurable]:
    """All numbers that gates of a line may be on, by family."""
    quality = list(_quality(config))
    compared = [one for one in quality if one.compared]
    yield from (one.measurable("quality") for one in quality)
    for family in COMPARATORS:
        yield from (one.measurable(family) for one in compared)
        yield from (one.gain(family) for one in compared)
    yield from (one.ratio("champion") for one in compared)
    yield from _of_methods(config, compared)
    if not are_valid(config, "abstention") or config.abstention is not None:
        yield from _withheld(config)
    if not are_valid(config, "probes") or config.probes.out_of_distribution is not None:
        yield from _of_out_of_distribution(config)
    overall = [one for one in quality if not one.metric.each]
    yield from (one.measurable(family) for family in ("recipe", "fresh") for one in overall)
    sets = [f"golden.{name}" for name in config.evaluation.golden]
    yield from (one.measurable(family) for family in sets for one in quality)
    yield from (one.gain(family) for family in ("fresh", *sets) for one in compared)
    for name in config.evaluation.behaviour:
        yield Measurable(f"behaviour.{name}.pass_rate")
        yield Measurable(f"behaviour.{name}.{{functionality}}.pass_rate")
    if shape_of(config.task_type).has_one_class:
        yield from _labels(config)
    yield from _slices(config, compared)
    yield from _fairness(config)
    yield from _counterfactuals(config)
    yield Measurable("staging.same_predictions")
    for name in ("latency_p95_ms", "size_mb", "load_s", "memory_mb"):
        yield Measurable(f"staging.{name}", high=math.inf, better=_FALLING)


def _of_methods(config: "RetrainConfig", compared: Sequence["_Quality"]) -> Iterator[Measurable]:
    """What is told of a candidate by the method that made it, where the line asks for that."""
    if not are_valid(config, "distillation") or config.distillation is not None:
        yield from _against(TEACHER, compared, config.task_type)
    if makes_smaller(config):
        yield from _against(UNCOMPRESSED, compared, config.task_type)
        yield from _lost_by_parts(config)
    if not are_valid(config, "mitigation") or compares_unmitigated(config):
        yield from _against_no_mitigation(config, compared)
    if not are_valid(config, "augmentation") or compares_without(config):
        yield from _against_no_new_rows(compared)
    if not are_valid(config, "explanation") or config.explanation is not None:
        yield from _explained(config)
    if not are_valid(config, "training") or config.training.differential_privacy is not None:
        yield Measurable(f"{PRIVACY}.epsilon", high=math.inf, better=_FALLING)
        yield Measurable(f"{PRIVACY}.delta", better=_FALLING)
    yield from _of_probes(config, compared)


def _of_probes(config: "RetrainConfig", compared: Sequence["_Quality"]) -> Iterator[Measurable]:
    """What else the candidate is asked, where the line asks for that."""
    if not are_valid(config, "probes") or config.probes.robustness is not None:
        yield from _under_changes(config, compared)
    if not are_valid(config, "probes") or config.probes.language_bias is not None:
        yield from _of_stereotypes(config)
    if not are_valid(config, "probes") or config.probes.leave_one_domain_out is not None:
        yield from _of_domains(config, compared)
    if not are_valid(config, "probes") or config.probes.memory is not None:
        yield from _of_memory(config)
    if not are_valid(config, "probes") or config.probes.harm is not None:
        yield from _of_harm(config)


def _of_stereotypes(config: "RetrainConfig") -> Iterator[Measurable]:
    """What published sentences and questions come to, over all and by kind of bias."""
    asked = config.probes.language_bias if are_valid(config, "probes") else None
    probes = {probe for probe, _ in asked.files} if asked else set(MEASURES)
    for probe in sorted(probes):
        for name in MEASURES[probe]:
            better: Better = "neither"  # of a preference, a half is the least
            if name in {ACCURACY_GAP, HURTFUL, HURTFUL_GAP}:
                better = _FALLING
            elif name in {MEANINGFUL, ICAT} or name.startswith("accuracy"):
                better = "higher"
            elif probe in {BBQ, CBBQ}:
                better = _FALLING
            low = -1.0 if better == _FALLING and probe != HONEST else 0.0
            yield Measurable(f"{LANGUAGE_BIAS}.{probe}.{name}", low, better=better)
            if name != HURTFUL_GAP:
                yield Measurable(f"{LANGUAGE_BIAS}.{probe}.{name}.{{type}}", low, better=better)


def _of_domains(config: "RetrainConfig", compared: Sequence["_Quality"]) -> Iterator[Measurable]:
    """What each domain is to a model that did not learn it."""
    asked = config.probes.leave_one_domain_out if are_valid(config, "probes") else None
    column = asked.column if asked else "{column}"
    for domain in (asked.values if asked else ()) or ("{domain}",):
        family = f"{LEAVE_ONE_DOMAIN_OUT}.{column}.{domain}"
        for one in compared:
            yield from (one.measurable(family), one.drop(family), one.drop(f"{family}.{ELSEWHERE}"))


def _of_memory(config: "RetrainConfig") -> Iterator[Measurable]:
    """What a candidate gives away of its training rows, as far as the line asks."""
    asked = config.probes.memory if are_valid(config, "probes") else None
    attacks = ["", "lira_"] if asked is None or asked.shadows else [""]
    if not why_no_likelihood(config.task_type) and not why_no_reference(config):
        attacks.append("calibrated_")
    for attack in attacks:
        yield Measurable(f"{MEMORY}.{attack or 'membership_'}auc", better=_FALLING)
        yield Measurable(f"{MEMORY}.{attack}tpr_at_1_fpr", better=_FALLING)
    yield Measurable(f"{MEMORY}.control_auc", better="neither")
    if asked is None or asked.canaries is not None:
        canaries = asked.canaries if asked and asked.canaries else PlantedCanarySettings()
        most = math.log2(canaries.alternatives + 1)
        yield Measurable(f"{MEMORY}.canary_exposure", high=most, better=_FALLING)
        yield Measurable(f"{MEMORY}.canaries_extracted", better=_FALLING)
    if asked is None or asked.overlap is not None:
        yield Measurable(f"{MEMORY}.verbatim_overlap", better=_FALLING)
        yield Measurable(f"{MEMORY}.verbatim_overlap_control", better=_FALLING)


def _of_harm(config: "RetrainConfig") -> Iterator[Measurable]:
    """What a candidate writes that it should not, as far as the line asks."""
    asked = config.probes.harm if are_valid(config, "probes") else None
    if asked is None or asked.prompts:
        yield Measurable(f"{HARM}.{PERSONAL_DATA}", better=_FALLING)
        yield Measurable(f"{HARM}.{SECRETS}", better=_FALLING)
    if asked is None or asked.lexicon:
        for name in (LEXICON_RATE, f"{LEXICON_RATE}.{{group}}", LEXICON_GAP, TRAINING):
            yield Measurable(f"{HARM}.{name}", better=_FALLING)
    if asked is None or asked.scorer:
        for name in (SCORED_RATE, f"{SCORED_RATE}.{{group}}", SCORED_GAP, TRAINING_SCORED):
            yield Measurable(f"{HARM}.{name}", better=_FALLING)
    if asked is None or asked.refusals:
        sides: tuple[tuple[str, Better], ...] = ((REFUSAL, "higher"), (OVER_REFUSAL, _FALLING))
        for name, better in sides:
            yield Measurable(f"{HARM}.{name}", better=better)
            yield Measurable(f"{HARM}.{name}.{{group}}", better=better)


def _under_changes(config: "RetrainConfig", compared: Sequence["_Quality"]) -> Iterator[Measurable]:
    """What changes that keep the right answer do; of the others nothing is right or wrong."""
    asked = config.probes.robustness if are_valid(config, "probes") else None
    if asked is None or not are_valid(asked, "kinds", "strengths"):
        yield Measurable(f"{ROBUSTNESS}.{{kind}}.{{measure}}", -math.inf, math.inf, "neither")
        return
    for kind, _, family in asked.groups():
        if kind.keeps_answer:
            yield Measurable(f"{family}.{FLIP_RATE}", better=_FALLING)
            yield Measurable(f"{family}.{SCORE_SHIFT}", better=_FALLING)
            yield from (one.drop(family) for one in compared)
    if asked.attack is not None:
        yield Measurable(f"{ROBUSTNESS}.{ATTACK}.{FLIP_RATE}", better=_FALLING)


def _explained(config: "RetrainConfig") -> Iterator[Measurable]:
    """What is told of the methods that explain a candidate's answers."""
    asked = config.explanation if are_valid(config, "explanation") else None
    explanation = asked or ExplanationSettings()
    most = math.inf if shape_of(config.task_type).target_column else 1.0
    for method in (*explanation.methods, BY_CHANCE):
        name = f"{EXPLANATION}.{method}"
        yield Measurable(f"{name}.comprehensiveness", -most, most)
        yield Measurable(f"{name}.sufficiency", -most, most, _FALLING)
        yield Measurable(f"{name}.rationale_auc")
        if method != BY_CHANCE:
            yield Measurable(f"{name}.comprehensiveness_gain", -2 * most, 2 * most)
            yield Measurable(f"{name}.sufficiency_gain", -2 * most, 2 * most)
            yield Measurable(f"{name}.randomisation_correlation", -1.0, better=_FALLING)
    for attribute in explanation.identity_attributes:
        yield Measurable(f"{EXPLANATION}.identity_words.{attribute}", -1.0, better=_FALLING)


def _of_out_of_distribution(config: "RetrainConfig") -> Iterator[Measurable]:
    """How well scores tell such texts; a compressed model has those of outputs alone."""
    is_plain = not are_valid(config, "compression") or config.compression is None
    for score in (*OF_OUTPUTS, *(OF_FEATURES if is_plain else ())):
        yield Measurable(f"{OUT_OF_DISTRIBUTION}.{score}.{AUROC}")
        yield Measurable(f"{OUT_OF_DISTRIBUTION}.{score}.{FLAGGED}")
        yield Measurable(f"{OUT_OF_DISTRIBUTION}.{score}.{FALSE_POSITIVE_RATE}", better=_FALLING)
    if not are_valid(config, "abstention") or config.abstention is not None:
        yield Measurable(f"{OUT_OF_DISTRIBUTION}.{ANSWERED}", better=_FALLING)


def _withheld(config: "RetrainConfig") -> Iterator[Measurable]:
    """What a threshold comes to, over all rows and by label and group."""
    labels = tuple(config.contract.labels or ()) if are_valid(config.contract, "labels") else ()
    most = float(len(labels)) if labels else math.inf
    assessed = config.fairness.attributes(config.source.group_columns)
    yield Measurable(f"{ABSTENTION}.{COVERAGE}")
    yield Measurable(f"{ABSTENTION}.{SELECTIVE_RISK}", better=_FALLING)
    yield Measurable(f"{ABSTENTION}.{ERROR_RATE}", better=_FALLING)
    yield Measurable(f"{ABSTENTION}.{SET_COVERAGE}")
    yield Measurable(f"{ABSTENTION}.{SET_SIZE}", high=most, better=_FALLING)
    for attribute in ("label", *assessed):
        known = labels if attribute == "label" else ()
        each = "{label}" if attribute == "label" else "{group}"
        prefix = f"{ABSTENTION}.{attribute}"
        for name in (COVERAGE, SET_COVERAGE):
            yield Measurable(f"{prefix}.{name}.{each}", known=known)
            yield Measurable(f"{prefix}.{name}_gap.{each}", -1.0, known=known)
        yield Measurable(f"{prefix}.{SELECTIVE_RISK}.{each}", better=_FALLING, known=known)
        yield Measurable(f"{prefix}.{SET_SIZE}.{each}", 0.0, most, _FALLING, known)


def why_no_reference(config: "RetrainConfig") -> str:
    """Which section makes a base model that cannot tell how hard a row is; empty where none does.

    One that was built here knows nothing, one that was cut out of a teacher may know too much.
    """
    if are_valid(config, "base_model") and config.base_model.scratch is not None:
        return "base_model.scratch"
    if are_valid(config, "distillation") and config.distillation is not None:
        return "distillation"
    return ""


def makes_smaller(config: "RetrainConfig") -> bool:
    """Whether a line's candidate is made of a larger model, or may be: a setting is wrong."""
    sections = ("pruning", "compression")
    return not are_valid(config, *sections) or any(
        getattr(config, name) is not None for name in sections
    )


def compares_without(config: "RetrainConfig") -> bool:
    """Whether a line's candidate is held against a model that did not learn the new rows."""
    return config.augmentation is not None and config.augmentation.compare


def compares_unmitigated(config: "RetrainConfig") -> bool:
    """Whether a line's candidate is held against a model of its recipe without mitigation."""
    return config.mitigation is not None and config.mitigation.compare


def _against_no_mitigation(
    config: "RetrainConfig", compared: Sequence["_Quality"]
) -> Iterator[Measurable]:
    """What a candidate comes to beside a model that learned the same rows without mitigation."""
    for one in compared:
        yield from (one.measurable(UNMITIGATED), one.gain(UNMITIGATED), one.ratio(UNMITIGATED))
    yield from _by_groups(config, UNMITIGATED)
    for attribute in config.fairness.attributes(config.source.group_columns):
        for gap in (*_GAPS, "treatment_equality"):
            name = f"{UNMITIGATED}.{attribute}.{gap}_difference"
            yield Measurable(name, better=_FALLING)
            yield Measurable(f"{name}_gain", -1.0)


def _against_no_new_rows(compared: Sequence["_Quality"]) -> Iterator[Measurable]:
    """What a candidate comes to beside a model of its recipe without the new rows."""
    for kind in AUGMENTED_KINDS:
        family = f"{AUGMENTATION}.{kind}"
        for one in compared:
            yield from (one.measurable(family), one.gain(family))
            yield one.measurable(f"{family}.without")


def _against(family: str, compared: Sequence["_Quality"], task_type: str) -> Iterator[Measurable]:
    """What a student comes to beside its teacher, or a compressed model beside itself before."""
    for one in compared:
        yield from (one.measurable(family), one.gain(family), one.ratio(family))
    shape = shape_of(task_type)
    if shape.target_column is None and not shape.gives_vectors:  # which no two models share
        yield Measurable(f"{family}.agreement")
    yield Measurable(f"{family}.speed_up", high=math.inf)
    yield Measurable(f"{family}.size_share", high=math.inf, better=_FALLING)


def _lost_by_parts(config: "RetrainConfig") -> Iterator[Measurable]:
    """What compression costs each named slice and each group."""
    for name in _named_slices(config):
        yield Measurable(f"{UNCOMPRESSED}.{name}.row_score_gain", -1.0)
    yield from _by_groups(config, UNCOMPRESSED)


def _by_groups(config: "RetrainConfig", family: str) -> Iterator[Measurable]:
    """How much better the candidate's row score is for each group than another model's."""
    for attribute in config.fairness.attributes(config.source.group_columns):
        for name in (attribute, f"{attribute}_exclusive"):
            yield Measurable(f"{family}.{name}.row_score_gain.{{group}}", -1.0)
            yield Measurable(f"{family}.{name}.worst_group_row_score_gain", -1.0)


@dataclass(frozen=True)
class _Quality:
    """A metric of the task type with the names that may stand behind it."""

    metric: Metric
    known: tuple[str, ...]

    @property
    def compared(self) -> bool:
        return self.metric.compared

    def measurable(self, family: str) -> Measurable:
        """Itself in a family of names."""
        one = self.metric
        form = f"{family}.{one.name}" + (f".{{{one.each}}}" if one.each else "")
        return Measurable(form, one.low, one.high, one.better, self.known)

    def gain(self, family: str) -> Measurable:
        """How much better it is than another model's."""
        span = self.metric.high - self.metric.low
        return Measurable(f"{family}.{self.metric.name}_gain", -span, span)

    def drop(self, family: str) -> Measurable:
        """How much worse it is on changed rows."""
        span = self.metric.high - self.metric.low
        return Measurable(f"{family}.{self.metric.name}_{DROP}", -span, span, _FALLING)

    def ratio(self, family: str) -> Measurable:
        """Its share of another model's, where that is above 0."""
        name = f"{family}.{self.metric.name}_ratio"
        return Measurable(name, 0.0, math.inf, self.metric.better)


def _quality(config: "RetrainConfig") -> Iterator[_Quality]:
    metrics = metrics_of(config.task_type)
    if metrics is None:
        metrics = (
            Metric(name="{metric}", low=-math.inf, high=math.inf, better="neither", compared=True),
        )
    for metric in (*metrics, *_own(config)):
        yield _Quality(metric, _named(metric, config) if metric.each else ())


def _own(config: "RetrainConfig") -> Iterator[Metric]:
    """Metrics of other distributions; one that cannot be had is told by a check of its own."""
    for name in config.evaluation.own_metrics:
        try:
            own = own_metric(name, config.task_type)
            better: Better = "higher" if own.greater_is_better else "lower"
            yield Metric(name=name, low=own.low, high=own.high, better=better, compared=True)
        except SettingsError:
            yield Metric(name=name, low=-math.inf, high=math.inf, better="neither", compared=True)


def why_no_own_metric(name: str, task_type: str) -> str:
    """Why a line cannot ask for a metric of another distribution; empty where it can."""
    try:
        own_metric(name, task_type)
        taken = {one.name for one in metrics_of(task_type) or ()}
    except SettingsError as error:
        return str(error)
    return f"{name} is a metric of {task_type} already; rename the entry point" * (name in taken)


def _named(metric: Metric, config: "RetrainConfig") -> tuple[str, ...]:
    """The labels, or the types of entities, that the contract names."""
    labels = tuple(config.contract.labels or ()) if are_valid(config.contract, "labels") else ()
    if metric.each == "label" or not labels:
        return labels
    from tasks.task_types.tags.tag_spans import read_tags

    return read_tags(labels).names


def _labels(config: "RetrainConfig") -> Iterator[Measurable]:
    """What is known of the labels themselves, and of the confidence in them."""
    known = tuple(config.contract.labels or ()) if are_valid(config.contract, "labels") else ()
    yield Measurable("labels.error_share", better=_FALLING)
    yield Measurable("labels.error_share.{label}", better=_FALLING, known=known)
    yield Measurable("labels.spurious_correlation", -1.0, better=_FALLING)
    yield Measurable("quality.overconfidence", -1.0, better="neither")


def _slices(config: "RetrainConfig", compared: Sequence[_Quality]) -> Iterator[Measurable]:
    slices = config.evaluation.slices
    for name in _named_slices(config):
        yield Measurable(f"{name}.{_SCORE_GAP}", -1.0)
        yield Measurable(f"{name}.overconfidence", -1.0, better="neither")
        yield from (one.measurable(name) for one in compared)
    if slices.search:
        yield Measurable(f"slice.worst_found.{_SCORE_GAP}", -1.0)
        yield Measurable(f"slice.{{found}}.{_SCORE_GAP}", -1.0)


def _named_slices(config: "RetrainConfig") -> list[str]:
    slices = config.evaluation.slices
    named = [f"slice.{feature}.{{value}}" for feature in slices.by]
    if not are_valid(slices, "where"):
        return [*named, "slice.{expression}"]
    return [*named, *(f"slice.{name}" for name in slices.where)]


def _fairness(config: "RetrainConfig") -> Iterator[Measurable]:
    one_class, unsaid = _tells_classes(config.task_type)
    for attribute in config.fairness.attributes(config.source.group_columns):
        for prefix in (f"fairness.{attribute}", f"fairness.{attribute}_exclusive"):
            if one_class or unsaid:
                yield from _class_gaps(prefix, config.fairness.positive_labels)
            if not one_class or unsaid:
                yield from _score_gaps(prefix)


def _tells_classes(task_type: str) -> tuple[bool, bool]:
    """Whether a row has one class; and whether it is a task type of which that cannot be told."""
    return shape_of(task_type).has_one_class, not METRICS.names_part(task_type)


def _class_gaps(prefix: str, told: tuple[str, ...]) -> Iterator[Measurable]:
    for name in _GAPS:
        yield Measurable(f"{prefix}.{name}_difference", better=_FALLING)
        yield Measurable(f"{prefix}.{name}_ratio")
    yield from (Measurable(f"{prefix}.worst_group_{name}") for name in _WORST)
    yield Measurable(f"{prefix}.accuracy_gap.{{group}}", -1.0)
    yield Measurable(f"{prefix}.treatment_equality_difference", better=_FALLING)
    yield Measurable(f"{prefix}.treatment_equality_ratio")
    yield Measurable(f"{prefix}.largest_cddpl", better=_FALLING)
    yield Measurable(f"{prefix}.cddpl.{{group}}.{{label}}", -1.0, better="neither")
    yield Measurable(f"{prefix}.calibration_error_difference", better=_FALLING)
    yield Measurable(f"{prefix}.worst_group_calibration_error", better=_FALLING)
    if told:
        yield from (Measurable(f"{prefix}.{auc}_mean.{{label}}", known=told) for auc in _AUCS)
        yield from (
            Measurable(f"{prefix}.largest_{gap}.{{label}}", 0.0, 0.5, _FALLING, told)
            for gap in _AEGS
        )
        for label in told:
            yield from (Measurable(f"{prefix}.{auc}.{{group}}.{label}") for auc in _AUCS)
            yield from (
                Measurable(f"{prefix}.{gap}.{{group}}.{label}", -0.5, 0.5, "neither")
                for gap in _AEGS
            )


def _score_gaps(prefix: str) -> Iterator[Measurable]:
    yield Measurable(f"{prefix}.row_score_difference", better=_FALLING)
    yield Measurable(f"{prefix}.row_score_ratio")
    yield Measurable(f"{prefix}.worst_group_row_score")
    yield Measurable(f"{prefix}.row_score_gap.{{group}}", -1.0)


def swaps_words(task_type: str) -> bool:
    """Whether models of a task type are asked about swapped words: they put one text in a class."""
    shape = shape_of(task_type)
    one_text = [column.kind for column in shape.inputs] == ["text"]
    return one_text and any(_tells_classes(task_type))


def _counterfactuals(config: "RetrainConfig") -> Iterator[Measurable]:
    if swaps_words(config.task_type):
        yield from (Measurable(name, better=_FALLING) for name in config.counterfactuals.estimates)
