"""What of a line's sweep can be refused before anything of it runs, and the lines that it makes."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flows.settings_fields import kinds_of
from infra.settings_models import WrongSetting, are_valid
from tasks.sweep.set_names import set_by
from tasks.sweep.settings import SweepSettings, SweptSetting
from tasks.sweep.space import Assignment, corners, overlaid
from tasks.task_types.metrics import metrics_of
from tasks.task_types.row_shapes import shape_of

if TYPE_CHECKING:
    from flows.config import RetrainConfig

# What makes a model of rows that are the same for all trials.
SWEPT_SECTIONS: Final = ("base_model", "tokenization", "training", "distillation")
_SEED: Final = "training.seed"
_NUMBERS: Final = frozenset({int, float})


def wrong_space(config: "RetrainConfig", sweep: SweepSettings) -> Iterator[WrongSetting]:
    """What a sweep tries that no line can be.

    Args:
        config: the line's settings.
        sweep: of these.

    """
    if are_valid(sweep, "metric"):
        yield from _wrong_metric(config, sweep)
    yield from _what_trials_leave_out(config)
    if not are_valid(sweep, "space"):
        return
    named = list(_wrong_names(config, sweep))
    yield from named
    if not named and are_valid(config, *type(config).model_fields):
        yield from _wrong_lines(config, sweep)


def _what_trials_leave_out(config: "RetrainConfig") -> Iterator[WrongSetting]:
    """What would make the model of a retraining another one than the trial that was taken."""
    for section, done in (
        ("augmentation", "train on the rows as they are"),
        ("compression", "are measured as they were trained"),
        ("pruning", "are measured as they were trained first"),
    ):
        if are_valid(config, section) and getattr(config, section) is not None:
            yield WrongSetting(
                ("sweep",),
                f"trials {done}, and {section} is set: the point that is taken would not be what "
                f"runs then; leave {section} out of the line whose settings are tried",
                f"with {section}",
            )


def metric_of_sweep(task_type: str, sweep: SweepSettings) -> str:
    """The metric that trials are judged in, without its family."""
    return sweep.metric or shape_of(task_type).leading


def is_rising(task_type: str, metric: str) -> bool:
    """Whether more of a metric is better; so of one that its distribution says nothing of."""
    known = metrics_of(task_type) or ()
    return not any(one.name == metric and one.better == "lower" for one in known)


def whole_numbers(config: "RetrainConfig", sweep: SweepSettings) -> frozenset[str]:
    """Names of the swept ranges whose settings take whole numbers alone."""
    return frozenset(
        name
        for name, swept in sweep.space.items()
        if swept.choices is None and _NUMBERS & kinds_of(type(config), name) == {int}
    )


def line_of_trial(config: "RetrainConfig", settings: Assignment) -> "RetrainConfig":
    """The line with some settings in place of its own, and without the sweep.

    Raises:
        ValidationError: there can be no such line.

    """
    content = overlaid(_content_of(config), settings)
    return type(config).model_validate(content)


def lines_at_corners(config: "RetrainConfig", sweep: SweepSettings) -> "list[RetrainConfig]":
    """The lines of the combinations that are checked before a sweep starts."""
    return [line_of_trial(config, one) for one in corners(sweep.space)]


def _content_of(config: "RetrainConfig") -> dict[str, Any]:
    return config.model_dump(mode="json", exclude_unset=True, exclude={"sweep", "choose"})


def _wrong_metric(config: "RetrainConfig", sweep: SweepSettings) -> Iterator[WrongSetting]:
    known = metrics_of(config.task_type)
    if sweep.metric is None or known is None or sweep.metric in config.evaluation.own_metrics:
        return
    names = [one.name for one in known if not one.each and one.better != "neither"]
    if sweep.metric not in names:
        yield WrongSetting(
            ("sweep", "metric"),
            f"models of {config.task_type} are measured by {', '.join(names)}; name one of these",
            sweep.metric,
        )


def _wrong_names(config: "RetrainConfig", sweep: SweepSettings) -> Iterator[WrongSetting]:
    for name, swept in sweep.space.items():
        if said := _why_not(config, name, swept):
            yield WrongSetting(("sweep", "space", name), said, name)


def _why_not(config: "RetrainConfig", name: str, swept: SweptSetting) -> str:
    if name.partition(".")[0] not in SWEPT_SECTIONS:
        return (
            "a sweep varies what makes a model of the same rows: settings below "
            f"{', '.join(SWEPT_SECTIONS)}"
        )
    if _SEED in set_by(name, swept.choices):
        return "the best of several seeds is luck; sweep.seeds trains each trial with several"
    if swept.choices is not None:
        return ""
    numbers = _NUMBERS & kinds_of(type(config), name)
    if not numbers:
        return "a range is for a setting that takes numbers, and this is none; list its choices"
    given = {end: getattr(swept, end) for end in ("low", "high", "step")}
    broken = {end: value for end, value in given.items() if value is not None and value % 1}
    if numbers == {int} and broken:
        told = ", ".join(f"{end} {value:g}" for end, value in broken.items())
        return f"it takes whole numbers alone, and the range has {told}"
    return ""


def _wrong_lines(config: "RetrainConfig", sweep: SweepSettings) -> tuple[WrongSetting, ...]:
    """What is wrong with the lines of the space's corners, each fault once."""
    space = json.dumps(sweep.model_dump(mode="json", include={"space"}))
    return _found(type(config), json.dumps(_content_of(config)), space)


@lru_cache(maxsize=4)  # a form's settings are validated several times in one process
def _found(kind: "type[RetrainConfig]", content: str, space: str) -> tuple[WrongSetting, ...]:
    """The same of settings as JSON."""
    line, sweep = json.loads(content), SweepSettings.model_validate_json(space)
    try:
        kind.model_validate(line)
    except ValidationError:
        return ()  # the line itself is wrong, which is said already
    found: dict[object, WrongSetting] = {}
    for assignment in corners(sweep.space):
        try:
            kind.model_validate(overlaid(line, assignment))
        except ValidationError as error:
            for item in error.errors(include_url=False):
                if item["type"] != "default_factory_not_called":  # which follows from another
                    wrong = _fault(item, assignment)
                    found.setdefault((item["loc"], item["msg"], str(wrong.value)), wrong)
    return tuple(found.values())


def _fault(item: ErrorDetails, assignment: Assignment) -> WrongSetting:
    """A fault of a corner, told of the entries of the space that have to do with it."""
    at = ".".join(map(str, item["loc"]))
    said = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        said = f"there is no setting {at}"
    names = [one for one in assignment if _is_inside(at, one)]
    names = names or [one for one in assignment if _is_inside(one, at)] or list(assignment)
    if names == [at]:
        return WrongSetting(("sweep", "space", at), said, assignment[at])
    tried = {name: assignment[name] for name in names}
    words = ", ".join(f"{name} {value!r}" for name, value in tried.items())
    place = (names[0],) if len(names) == 1 else ()
    return WrongSetting(("sweep", "space", *place), f"with {words}: {said}", tried)


def _is_inside(name: str, section: str) -> bool:
    return name == section or name.startswith(f"{section}.")
