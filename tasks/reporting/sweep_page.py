"""The page of a sweep: its trials as pictures and as a table, and the point that is taken."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tasks.records.sweep import SweepResult, Trial
from tasks.reporting.charts import Dot, Line, Plane, Tick, scale_over
from tasks.reporting.number_format import NOTHING, count, duration, interval, number, size, words_of
from tasks.reporting.page import template_of
from tasks.reporting.summaries import markdown_table, plain

TEMPLATE: Final = "sweep_page.html.jinja"
TAKEN, FRONT, OTHER, FAILED = "taken", "on the front", "beaten", "failed"
_SIGNS: Final = {TAKEN: "★", FRONT: "●", OTHER: "○", FAILED: "✗"}
_RADIUS: Final = {TAKEN: 8.0, FRONT: 5.0, OTHER: 4.0}


@dataclass(frozen=True)
class TrialRow:
    """One trial as it is shown; every field is text.

    Attributes:
        place: taken, on the front, beaten or failed.
        sign: of the place, so that colour is never the only sign.
        each: the settings that were tried, one by one.

    """

    number: str
    place: str
    sign: str
    each: tuple[str, ...]
    quality: str
    interval: str
    worst_group: str
    latency: str
    size: str
    training: str
    cost: str
    reason: str

    @property
    def settings(self) -> str:
        """What was tried, in one line."""
        return ", ".join(self.each)


@dataclass(frozen=True)
class Picture:
    """Quality over one other coordinate."""

    id: str
    title: str
    x_name: str
    plane: Plane


@dataclass(frozen=True)
class Fact:
    """A number of the taken point beside that of the best one."""

    name: str
    taken: str
    best: str


def place_of(result: SweepResult, trial: Trial) -> str:
    """Where a trial stands."""
    if trial.quality is None:
        return FAILED
    if trial.number == result.taken:
        return TAKEN
    return FRONT if trial.number in result.front else OTHER


def trial_rows(result: SweepResult) -> list[TrialRow]:
    """The trials: the taken one, the front, the others, each by quality; failed ones last."""
    order = (TAKEN, FRONT, OTHER, FAILED)
    sign = -1.0 if result.greater_is_better else 1.0
    ranked = sorted(
        result.trials,
        key=lambda one: (
            order.index(place_of(result, one)),
            sign * one.quality.value if one.quality else 0.0,
            one.number,
        ),
    )
    return [_row(result, one) for one in ranked]


def _row(result: SweepResult, trial: Trial) -> TrialRow:
    place = place_of(result, trial)
    found, group = trial.quality, trial.worst_group
    told = found is not None
    return TrialRow(
        number=str(trial.number),
        place=place,
        sign=_SIGNS[place],
        each=tuple(f"{name} {_value(value)}" for name, value in trial.settings.items()),
        quality=number(found.value if found else None),
        interval=interval(found.low, found.high) if found else NOTHING,
        worst_group=f"{number(group[0])} ({group[1]})" if group else NOTHING,
        latency=latency_words(trial),
        size=size(trial.size_bytes) if told else NOTHING,
        training=duration(trial.training_s) if told else NOTHING,
        cost=cost_words(result, trial) if told else NOTHING,
        reason=trial.reason,
    )


def settings_words(settings: dict[str, Any]) -> str:
    """What was tried, in one line."""
    return ", ".join(f"{name} {_value(value)}" for name, value in settings.items())


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def latency_words(trial: Trial) -> str:
    """A trial's time over the reference's, with its interval, and the milliseconds a row."""
    ratio = trial.latency
    if ratio is None:
        return NOTHING
    ends = f" {interval(ratio.low, ratio.high)}" if ratio.low != ratio.high else ""
    return f"{number(ratio.value)} times{ends}, {number(trial.latency_ms)} ms a row"


def cost_words(result: SweepResult, trial: Trial) -> str:
    """What one training of a trial costs."""
    unit = "" if result.machine_hour_cost else " h"
    return f"{number(result.cost_of(trial))}{unit}"


def settings_as_yaml(settings: dict[str, Any]) -> str:
    """Settings by dotted name as a line's file has them."""
    nested: dict[str, Any] = {}
    for name, value in settings.items():
        *sections, last = name.split(".")
        place = nested
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return yaml.safe_dump(nested, sort_keys=True)


def pictures_of(result: SweepResult) -> list[Picture]:
    """Quality over latency, size and cost of training, for those that differ."""
    cost = "cost of a training" if result.machine_hour_cost else "hours of a training"
    drawn = (
        ("latency", "Latency", "times the first trial's", [_latency(one) for one in result.told]),
        ("size", "Size", "MB", [one.size_bytes / 1e6 for one in result.told]),
        ("cost", "Cost", cost, [result.cost_of(one) for one in result.told]),
    )
    return [
        Picture(id_, f"{words_of(result.metric)} over {title.lower()}", x_name,
                front_plane(result, x_name, values))
        for id_, title, x_name, values in drawn
        if len(set(values)) > 1
    ]  # fmt: skip


def _latency(trial: Trial) -> float:
    return trial.latency.value if trial.latency else 1.0


def front_plane(result: SweepResult, x_name: str, values: Sequence[float]) -> Plane:
    """Quality over one coordinate, a series for each place of a trial.

    Args:
        result: whose trials with numbers are drawn.
        x_name: the coordinate.
        values: of these trials, in their order.

    """
    qualities = [one.quality.value for one in result.told if one.quality]
    across, up = scale_over(values, margin=0.12), scale_over(qualities, margin=0.12)
    dots: dict[str, list[Dot]] = {OTHER: [], FRONT: [], TAKEN: []}
    for trial, x, y in zip(result.told, values, qualities, strict=True):
        place = place_of(result, trial)
        described = f"trial {trial.number}: {number(y)} at {number(x)} {x_name}"
        dots[place].append(Dot(across.at(x), round(100 - up.at(y), 2), _RADIUS[place], described))
    lines = tuple(Line(place, tuple(found), joined=False) for place, found in dots.items())
    return Plane(
        across.ticks, tuple(Tick(round(100 - tick.at, 2), tick.label) for tick in up.ticks), lines
    )


def facts_of(result: SweepResult) -> list[Fact]:
    """What the taken point comes to, beside the best."""
    by_number = {one.number: _row(result, one) for one in result.told}
    if result.taken is None or result.best is None:
        return []
    taken, best = by_number[result.taken], by_number[result.best]
    return [
        Fact(words_of(result.metric), f"{taken.quality} {taken.interval}",
             f"{best.quality} {best.interval}"),
        *(
            Fact(name, getattr(taken, field), getattr(best, field))
            for name, field in (
                ("worst group", "worst_group"), ("latency", "latency"), ("size", "size"),
                ("training", "training"), ("cost of a training", "cost"),
            )
        ),
    ]  # fmt: skip


def sentence_of(result: SweepResult) -> str:
    """What is taken and by which rule, in one sentence."""
    best = "" if result.taken == result.best else f"; trial {result.best} is the best"
    made = f"{count(len(result.trials))} of {count(result.planned)} trials were made"
    note = f", since {result.note}" if result.note else ""
    return f"Trial {result.taken} is taken, {result.rule}{best}. {made}{note}."


def render_sweep_page(result: SweepResult, settings: str) -> str:
    """The page as HTML; the same trials give the same bytes.

    Args:
        result: the trials.
        settings: the taken point as a line's file has it.

    """
    return template_of(TEMPLATE).render(
        result=result,
        sentence=sentence_of(result),
        metric=words_of(result.metric),
        better="" if result.greater_is_better else ", lower is better",
        facts=facts_of(result),
        pictures=pictures_of(result),
        rows=trial_rows(result),
        grouped=any(one.worst_group for one in result.told),
        settings=settings,
        links=None,
    )


def sweep_markdown(result: SweepResult, settings: str) -> str:
    """The trials as a table of the Prefect run's page, and the taken point as YAML."""
    heads = ("", "trial", "settings", result.metric, "95% interval", "worst group", "latency",
             "size", "training", "cost")  # fmt: skip
    table = markdown_table(heads, _cells(trial_rows(result)))
    return f"{plain(sentence_of(result))}\n\n```yaml\n{settings}```\n\n{table}"


def _cells(rows: Iterable[TrialRow]) -> list[tuple[str, ...]]:
    return [
        (
            f"{row.sign} {row.place}", row.number, row.settings, row.reason or row.quality,
            row.interval, row.worst_group, row.latency, row.size, row.training, row.cost,
        )
        for row in rows
    ]  # fmt: skip
