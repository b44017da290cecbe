"""Which gates of a line ask for what no candidate of it can have: refused before anything runs."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from flows.gate_names import (
    AUGMENTATION,
    EXPLANATION,
    LANGUAGE_BIAS,
    MEMORY,
    PRIVACY,
    ROBUSTNESS,
    TEACHER,
    UNCOMPRESSED,
    UNMITIGATED,
    Measurable,
    compares_unmitigated,
    compares_without,
    makes_smaller,
    measurable_of,
    why_no_reference,
)
from infra.settings_models import WrongSetting, are_valid, items_of
from tasks.abstention.settings import FAMILY as ABSTENTION
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
from tasks.probes.language_bias.settings import MEASURES
from tasks.probes.leave_one_domain_out.settings import FAMILY as LEAVE_ONE_DOMAIN_OUT
from tasks.probes.out_of_distribution.settings import FAMILY as OUT_OF_DISTRIBUTION
from tasks.probes.robustness.kinds import KINDS
from tasks.probes.robustness.settings import ATTACK
from tasks.records.harm import FAMILY as HARM
from tasks.records.harm import OVER_REFUSAL, REFUSAL
from tasks.records.memory import CALIBRATED
from tasks.registry.canary_settings import CanarySettings
from tasks.task_types.metrics import METRICS, metrics_of
from tasks.task_types.row_shapes import shape_of
from tasks.verdicts import SIDES, Gate

if TYPE_CHECKING:
    from flows.config import RetrainConfig

NAMES_SHOWN: Final = 12
PERCENT: Final = 100.0
# The lists of gates in a policy.
LISTS: Final = ("gates", "staging_gates", "fairness_where_decidable")
_PARTS_OF_MEMORY: Final = {
    "shadows": {"lira_auc", "lira_tpr_at_1_fpr"},
    "canaries": {"canary_exposure", "canaries_extracted"},
    "overlap": {"verbatim_overlap", "verbatim_overlap_control"},
}
_FILES_OF_HARM: Final = {
    "lexicon": {LEXICON_RATE, LEXICON_GAP, TRAINING},
    "scorer": {SCORED_RATE, SCORED_GAP, TRAINING_SCORED},
    "prompts": {PERSONAL_DATA, SECRETS},
    "refusals": {REFUSAL, OVER_REFUSAL},
}
_GOLDEN_GATES: Final = {
    "golden": "golden.NAME.METRIC, such as golden.team.macro_f1, or golden.team.macro_f1_gain",
    "behaviour": "behaviour.NAME.FUNCTIONALITY.pass_rate, or behaviour.NAME.pass_rate",
}


def wrong_gates(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """Gates of a line's policy that no candidate of it could be judged by.

    Args:
        config: the line's settings.

    """
    measurable = tuple(measurable_of(config))
    for name in LISTS:
        missing = set()
        for place, gate in items_of(config.policy, name, "metric"):
            if said := _what_is_missing(gate.metric, config):
                missing.add(place)
                yield WrongSetting(("policy", name, place, "metric"), said, gate.metric)
        whole = items_of(config.policy, name, *Gate.model_fields)
        gates = [(place, gate) for place, gate in whole if _has_one_side(gate)]
        for place, gate in gates:
            if place not in missing:
                at = ("policy", name, place)
                others = [other for _, other in gates]
                yield from _wrong_gate(at, gate, others, measurable, config.task_type)

    yield from _wrong_canary(config)


def _wrong_canary(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """A canary that no candidate could pass."""
    canary = config.policy.canary if are_valid(config.policy, "canary") else None
    if canary is None:
        return
    yield from _wrong_days(canary)
    if not are_valid(canary, "max_quality_loss"):
        return
    if canary.max_quality_loss is not None and not shape_of(config.task_type).has_one_class:
        yield WrongSetting(
            ("policy", "canary", "max_quality_loss"),
            f"policy.canary.max_quality_loss is {canary.max_quality_loss:g}, and answers of the "
            f"task type {config.task_type} are not held against labels in a canary, which asks for "
            "one label a row: no candidate would ever pass; leave it out",
            canary.max_quality_loss,
        )


def _wrong_days(canary: CanarySettings) -> Iterator[WrongSetting]:
    """Days in which the steps have no room."""
    is_readable = are_valid(canary, "steps", "max_days")
    if not is_readable or not all(are_valid(step, "hours") for step in canary.steps):
        return
    hours = sum(step.hours for step in canary.steps)
    if hours >= 24 * canary.max_days:
        yield WrongSetting(
            ("policy", "canary", "max_days"),
            f"policy.canary.max_days is {canary.max_days:g}, and its steps last {hours:g} hours at "
            f"least: no candidate would ever pass; right would be more than {hours / 24:.3g}",
            canary.max_days,
        )


def _has_one_side(gate: Gate) -> bool:
    return (gate.lowest is None) != (gate.highest is None)


def _wrong_gate(
    at: tuple[str | int, ...],
    gate: Gate,
    others: Sequence[Gate],
    measurable: Sequence[Measurable],
    task_type: str,
) -> Iterator[WrongSetting]:
    found = [one for one in measurable if one.is_of(gate.judged_on)]
    if not found:
        said = _unknown(gate.judged_on, measurable, task_type)
        yield WrongSetting((*at, "metric"), said, gate.metric)
    elif wrong := _wrong_threshold(gate, found[0], others):
        side = next(name for name in SIDES if getattr(gate, name) is not None)
        yield WrongSetting((*at, side), wrong, getattr(gate, side))


def _what_is_missing(metric: str, config: "RetrainConfig") -> str:
    """Which setting a gate asks for that the line lacks; empty where it lacks none."""
    family, name = metric.split(".", 2)[:2]
    if family == "canary":
        return (
            f"{metric} is judged while a candidate is tried on served requests, after the gates of "
            "the policy; its thresholds are settings of policy.canary (max_failure_increase, "
            "max_slow_increase, max_quality_loss, max_disagreement)"
        )
    if family == "fairness":
        return _not_assessed(name, config)
    if family == "counterfactual" and metric not in (made := config.counterfactuals.estimates):
        return (
            f"{metric} is not measured; of counterfactuals are {list(made)}: correct the name, or "
            "add the list to counterfactuals.swaps or the file to counterfactuals.templates"
        )
    if family in _OF_PROBES and are_valid(config, "probes"):
        return _OF_PROBES[family](metric, config)
    if family in _GOLDEN_GATES:
        return _no_golden_set(metric, family, config)
    return _not_made(metric, family, config) or _not_told(metric, family, config)


def _not_told(metric: str, family: str, config: "RetrainConfig") -> str:
    """Which setting a gate on explained or withheld answers lacks."""
    if family == ABSTENTION and are_valid(config, "abstention") and config.abstention is None:
        return (
            f"{metric} is of a model that withholds answers, and abstention is not set; add "
            "`abstention: {risk: 0.05}`, or leave the gate out"
        )
    if family == OUT_OF_DISTRIBUTION and are_valid(config, "probes"):
        return _no_out_of_distribution(metric, config)
    if family == EXPLANATION and are_valid(config, "explanation") and config.explanation is None:
        return (
            f"{metric} is of explained test rows, and explanation is not set; add "
            "`explanation: {}`, or leave the gate out"
        )
    return ""


def _not_made(metric: str, family: str, config: "RetrainConfig") -> str:
    """Which further model a gate is about that the line does not make or name."""
    if family == TEACHER and are_valid(config, "distillation") and config.distillation is None:
        return (
            f"{metric} is against the teacher that a line learns from, and distillation is not "
            "set; name distillation.teacher, or leave the gate out"
        )
    if (
        family == PRIVACY
        and are_valid(config, "training")
        and config.training.differential_privacy is None
    ):
        return (
            f"{metric} is of training with differential privacy, and training.differential_privacy "
            "is not set; set its target_epsilon, or leave the gate out"
        )
    if family == UNCOMPRESSED and not makes_smaller(config):
        return (
            f"{metric} is against the model before compression, and compression is not set; name "
            "compression.method or what pruning cuts away, or leave the gate out"
        )
    if why := _not_compared(metric, family, config):
        return why
    evaluation = config.evaluation
    if family == "recipe" and are_valid(evaluation, "seeds") and evaluation.seeds == 1:
        return (
            f"{metric} is of several trainings, and evaluation.seeds is 1; set it to 2 or more, "
            "5 say"
        )
    return ""


def _not_compared(metric: str, family: str, config: "RetrainConfig") -> str:
    """Which second training a gate is about that the line does not ask for."""
    if (
        family == UNMITIGATED
        and are_valid(config, "mitigation")
        and not compares_unmitigated(config)
    ):
        seen = "not set" if config.mitigation is None else "set with compare: false"
        return (
            f"{metric} is against a model that was trained without mitigation, and mitigation is "
            f"{seen}; set it with compare: true, or leave the gate out"
        )
    is_told = are_valid(config, "augmentation")
    if family == AUGMENTATION and is_told and not compares_without(config):
        seen = "not set" if config.augmentation is None else "set with compare: false"
        return (
            f"{metric} is against a model that was trained without new rows, and augmentation is "
            f"{seen}; set it with compare: true, or leave the gate out"
        )
    return ""


def _not_probed(metric: str, config: "RetrainConfig") -> str:
    """Which changes a gate is about that the line does not make, or that may move the answer."""
    asked, name = config.probes.robustness, (*metric.split("."), "")[1]
    if asked is None:
        return (
            f"{metric} is of test rows with small changes, and probes.robustness is not set; set "
            "it to {} for all of its defaults, or leave the gate out"
        )
    if name in KINDS and not KINDS[name].keeps_answer:
        return (
            f"{metric} is of a change after which another answer may be right, so that it is "
            "reported and judged by no gate; leave it out"
        )
    if name in KINDS and are_valid(asked, "kinds") and name not in asked.kinds:
        return f"{metric} is of the kind {name}, which probes.robustness.kinds leaves out; add it"
    if name == ATTACK and are_valid(asked, "attack") and asked.attack is None:
        return (
            f"{metric} is of a search, and probes.robustness.attack is not set; set it to {{}} for "
            "all of its defaults, or leave the gate out"
        )
    return ""


def _no_out_of_distribution(metric: str, config: "RetrainConfig") -> str:
    """Which setting a gate on out-of-distribution texts lacks."""
    if config.probes.out_of_distribution is None:
        return (
            f"{metric} is of out-of-distribution texts, and probes.out_of_distribution is not set; "
            "set its path to a file of such, or leave the gate out"
        )
    return ""


def _not_asked(metric: str, config: "RetrainConfig") -> str:
    """Which published set a gate is about that the line names no file of."""
    asked, probe = config.probes.language_bias, (*metric.split("."), "")[1]
    named = {one for one, _ in asked.files} if asked else set()
    if probe in MEASURES and probe not in named:
        return (
            f"{metric} is of a published set, and probes.language_bias.{probe} is not set; set it "
            "to the path of its file, or leave the gate out"
        )
    return ""


def _not_remembered(metric: str, config: "RetrainConfig") -> str:
    """Which part of the probe for memory a gate is about that the line does not ask for."""
    asked, name = config.probes.memory, metric.split(".", 1)[1]
    if asked is None:
        return (
            f"{metric} is of what the model remembers of its training rows, and probes.memory is "
            "not set; set it to {} for membership alone, or leave the gate out"
        )
    for part, names in _PARTS_OF_MEMORY.items():
        if name in names and are_valid(asked, part) and not getattr(asked, part):
            right = "4" if part == "shadows" else "{} for all of its defaults"
            return f"{metric} asks for probes.memory.{part}, which is not set; set it to {right}"
    if name.startswith(f"{CALIBRATED}_") and (section := why_no_reference(config)):
        return (
            f"{metric} is of losses held against those of a base model that was trained elsewhere, "
            f"and {section} is set; leave the gate out, or take memory.membership_auc"
        )
    return ""


def _not_written(metric: str, config: "RetrainConfig") -> str:
    """Which file a gate on what the model writes asks for that the line does not name."""
    asked, name = config.probes.harm, metric.split(".")[1]
    for part, names in _FILES_OF_HARM.items():
        if name in names and (asked is None or not getattr(asked, part)):
            right = "a line and a label of it" if part == "scorer" else "the path of a file"
            return (
                f"{metric} asks for probes.harm.{part}, which is not set; set it to {right}, or "
                "leave the gate out"
            )
    return ""


def _not_left_out(metric: str, config: "RetrainConfig") -> str:
    """Which setting a gate on domains that were not learned lacks."""
    if config.probes.leave_one_domain_out is None:
        return (
            f"{metric} is of a model that did not learn a domain, and "
            f"probes.{LEAVE_ONE_DOMAIN_OUT} is not set; set it to {{}} for the sources of the "
            "line, or leave the gate out"
        )
    return ""


# Why a gate on a probe's number can never be judged, by family; empty where it can.
_OF_PROBES: Final[Mapping[str, Callable[[str, "RetrainConfig"], str]]] = {
    ROBUSTNESS: _not_probed,
    LANGUAGE_BIAS: _not_asked,
    MEMORY: _not_remembered,
    HARM: _not_written,
    LEAVE_ONE_DOMAIN_OUT: _not_left_out,
}


def _not_assessed(attribute: str, config: "RetrainConfig") -> str:
    assessed = config.fairness.attributes(config.source.group_columns)
    if attribute in assessed:
        return ""
    return (
        f"it names the attribute {attribute!r}, which is not assessed; assessed are "
        f"{sorted(assessed)}: add it to fairness.identity_attributes or source.group_columns, and "
        "a pair of two to fairness.intersections"
    )


def _no_golden_set(metric: str, family: str, config: "RetrainConfig") -> str:
    """Which sets there are, where a metric is of none of them or not written as one is."""
    known = getattr(config.evaluation, family)
    _, name, rest = (*metric.split(".", 2), "", "")[:3]
    ends_well = family == "golden" or rest == "pass_rate" or rest.endswith(".pass_rate")
    if name in known and rest and ends_well:
        return ""
    return (
        f"{metric} is not measured: evaluation.{family} has "
        f"{', '.join(sorted(known)) or 'no set'}; gates are named {_GOLDEN_GATES[family]}"
    )


def _unknown(name: str, measurable: Sequence[Measurable], task_type: str) -> str:
    """That a line has no such number, the nearest name, and what there is."""
    family = name.split(".", 1)[0]
    names = [each for one in measurable for each in one.names]
    own = [each for each in names if each.startswith(f"{family}.")]
    meant = _of_other_task_types(name)
    if not meant and (near := get_close_matches(name, names, n=1)):
        meant = f"did you mean {near[0]}?"
    if own:
        there = f"Of {family} there are {_listed(own)}"
    elif family == "counterfactual":
        there = "Words are swapped where a model puts one text in a class"
    else:
        there = f"There are the families {_listed(sorted({one.family for one in measurable}))}"
    said = f"{name} is not measured of a line of task type {task_type}"
    return f"{said}; {meant} {there}" if meant else f"{said}. {there}"


def _of_other_task_types(name: str) -> str:
    """Where a metric is measured, for someone who has taken it from another task type."""
    metric = name.split(".")[1].removesuffix("_gain") if "." in name else name
    found = [
        task_type
        for task_type in METRICS.names
        if any(one.name == metric for one in metrics_of(task_type) or ())
    ]
    return f"{metric} is a metric of {', '.join(found)}." if found else ""


def _listed(names: Iterable[str]) -> str:
    shown = list(dict.fromkeys(names))
    more = f" and {len(shown) - NAMES_SHOWN} more" if len(shown) > NAMES_SHOWN else ""
    return ", ".join(shown[:NAMES_SHOWN]) + more


def _wrong_threshold(gate: Gate, one: Measurable, others: Sequence[Gate]) -> str:
    """Why a threshold says nothing of this number; empty where it does."""
    threshold = gate.lowest if gate.lowest is not None else gate.highest
    assert threshold is not None  # noqa: S101 - a gate has one of the two
    span = f"{gate.judged_on} {_between(one)}"
    if not one.low <= threshold <= one.high:
        share = threshold / PERCENT
        is_percent = one.high == 1 and one.low <= share <= one.high
        return f"{span}" + (f"; did you mean {share:g}?" if is_percent else "")
    if (gate.lowest is not None and threshold <= one.low) or (
        gate.highest is not None and threshold >= one.high
    ):
        return (
            f"{span}, so every model passes {gate.rule}, and the gate proves nothing; name a "
            "threshold inside, or leave the gate out (what is measured is reported all the same)"
        )
    return _wrong_side(gate, one, others)


def _between(one: Measurable) -> str:
    if math.isinf(one.low) or math.isinf(one.high):
        side = f"{one.low:g} or more" if math.isinf(one.high) else f"{one.high:g} or less"
        return f"is {side}"
    return f"lies between {one.low:g} and {one.high:g}"


def _wrong_side(gate: Gate, one: Measurable, others: Sequence[Gate]) -> str:
    """Why a bound on the better side alone is none; one beside a bound on the other may stand."""
    right = {"higher": "lowest", "lower": "highest"}.get(one.better)
    has = "lowest" if gate.highest is None else "highest"
    both = any(
        other.judged_on == gate.judged_on and getattr(other, right or has) is not None
        for other in others
    )
    if right in {None, has} or both:
        return ""
    meant = {"lowest": "at_least", "highest": "at_most"}[right or has]
    worse = "low" if one.better == "higher" else "high"
    return (
        f"{one.better} is better of {gate.metric}, so {gate.rule} refuses the better models and "
        f"passes those that are too {worse}; did you mean {meant}?"
    )
