"""The study of a sweep in its database: what is asked next, and what came of it.

Optuna keeps every trial as it is begun and as it is told, so that a sweep that was cut off goes on
where it stood. What is asked follows from the seed and from what came of the finished trials alone:
a trial that was cut off counts for nothing, and its settings are asked again.
"""

import importlib.util
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import JsonValue, TypeAdapter

from infra.errors import SettingsError, StackError
from infra.settings import without_passwords
from tasks.records.sweep import Trial
from tasks.records.training import Weights
from tasks.sweep.settings import SweepSettings, SweptSetting
from tasks.sweep.space import Assignment, points_in

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

# Attributes of a trial and of a study in the database.
_TOLD: Final = "assayline.trial"
_REFERENCE: Final = "assayline.reference"
_LINE: Final = "assayline.line"
_BEGUN: Final = "assayline.begun"
_PLANNED: Final = "assayline.planned"
_TRIAL: Final = TypeAdapter(Trial)
_WEIGHTS: Final = TypeAdapter(Weights)


@dataclass(frozen=True)
class Asked:
    """A trial that is to be made.

    Attributes:
        number: from 1, among the trials that are finished.
        settings: what is to be tried.
        place: its number in the database, where trials that were cut off count too.

    """

    number: int
    settings: Assignment
    place: int


def check_installed() -> None:
    """See that Optuna is there.

    Raises:
        SettingsError: it is not.

    """
    if importlib.util.find_spec("optuna") is None:
        raise SettingsError(
            "a sweep asks Optuna what to try next, and the package optuna is not installed; "
            "install assayline[sweep]"
        )


class SweepStudy:
    """One study: made at first use, and the same one for the same name ever after.

    Args:
        database: address as SQLAlchemy takes it.
        name: of the study.
        line: the model line.
        settings: of the sweep.
        whole: names of swept settings that take whole numbers alone.

    Raises:
        SettingsError: Optuna is not installed.
        StackError: the database cannot be opened.

    """

    def __init__(
        self, database: str, name: str, line: str, settings: SweepSettings, whole: frozenset[str]
    ) -> None:
        check_installed()
        import optuna

        self.name = name
        self._settings, self._whole, self._database = settings, whole, database
        with self._explained():
            self._storage = _storage(database)
            self._study = optuna.create_study(
                storage=self._storage, study_name=name, direction="maximize", load_if_exists=True
            )
            self._study.set_user_attr(_LINE, line)
            self._study.set_user_attr(_PLANNED, settings.trials)
            if _BEGUN not in self._study.user_attrs:
                self._study.set_user_attr(_BEGUN, datetime.now(UTC).isoformat())

    def cut_off(self) -> int:
        """Set aside the trials that a run began and did not finish; returns how many there were."""
        from optuna.trial import TrialState

        with self._explained():
            open_ = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            for one in open_:
                kept = one.user_attrs.get(_TOLD)  # it was cut off between the two writes of `tell`
                if kept and kept["value"] is not None:
                    self._study.tell(one.number, kept["value"])
                else:
                    self._study.tell(one.number, state=TrialState.FAIL)
        return sum(_TOLD not in one.user_attrs for one in open_)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The finished trials, by number."""
        with self._explained():
            return _told(self._study)

    def why_no_more(self) -> str:
        """Why nothing is asked any more: all trials are made; empty where one is to be made."""
        made = self.trials
        if len(made) >= self._settings.trials:
            return "all trials are made"
        points = points_in(self._settings.space, self._whole)
        tried = {json.dumps(one.settings, sort_keys=True) for one in made}
        if points is not None and len(tried) >= points:
            return f"the space has {points} points, and all of them were tried"
        return ""

    def ask(self) -> Asked:
        """The settings to try next; the same ones until a trial more is finished."""
        with self._explained():
            finished = len(_told(self._study))
            self._study.sampler = _sampler(self._settings, finished)
            trial = self._study.ask()
            # By name: what the sampler draws depends on the order in which it is asked.
            settings = {
                name: _suggested(trial, name, swept, whole=name in self._whole)
                for name, swept in sorted(self._settings.space.items())
            }
        return Asked(finished + 1, settings, trial.number)

    def tell(self, asked: Asked, trial: Trial, *, greater_is_better: bool = True) -> None:
        """Keep what came of a trial.

        Args:
            asked: what was asked.
            trial: what it came to; with a reason and no quality where it came to nothing.
            greater_is_better: of the quality.

        """
        from optuna.trial import TrialState

        with self._explained():
            id_ = self._storage.get_trial_id_from_study_id_trial_number(
                self._study._study_id,  # noqa: SLF001 - Optuna tells it in no other way
                asked.place,
            )
            value = trial.quality.value if trial.quality else None
            if value is not None and not greater_is_better:
                value = -value
            told = {"trial": asdict(trial), "value": value}
            self._storage.set_trial_user_attr(id_, _TOLD, told)
            if value is None:
                self._study.tell(asked.place, state=TrialState.FAIL)
            else:
                self._study.tell(asked.place, value)

    @property
    def reference(self) -> Weights | None:
        """The model that latencies are measured beside; None before the first trial."""
        with self._explained():
            kept = self._study.user_attrs.get(_REFERENCE)
        return _WEIGHTS.validate_python(kept) if kept else None

    def keep_reference(self, weights: Weights) -> None:
        """Have latencies measured beside this model, for all of the sweep."""
        with self._explained():
            self._study.set_user_attr(_REFERENCE, _WEIGHTS.dump_python(weights, mode="json"))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        with explained(self._database):
            yield


@dataclass(frozen=True)
class KnownStudy:
    """A study as its database has it.

    Attributes:
        begun: ISO 8601, UTC.
        planned: trials that were asked for last.

    """

    name: str
    begun: str
    planned: int
    trials: tuple[Trial, ...]


def newest_study(database: str, line: str) -> KnownStudy | None:
    """The study of a line that was begun last; None where it has none.

    Raises:
        SettingsError: Optuna is not installed.
        StackError: the database cannot be opened.

    """
    check_installed()
    import optuna

    with explained(database):
        storage = _storage(database)
        known = [
            one
            for one in optuna.get_all_study_summaries(storage, include_best_trial=False)
            if one.user_attrs.get(_LINE) == line
        ]
        if not known:
            return None
        newest = max(known, key=lambda one: str(one.user_attrs.get(_BEGUN, "")))
        study = optuna.load_study(study_name=newest.study_name, storage=storage)
        return KnownStudy(
            newest.study_name,
            str(newest.user_attrs.get(_BEGUN, "")),
            int(newest.user_attrs.get(_PLANNED, 0)),
            _told(study),
        )


@contextmanager
def explained(database: str) -> Iterator[None]:
    """Turn what a database can refuse into one message.

    Raises:
        StackError: it cannot be reached, or holds something else.

    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
        first = without_passwords(str(error)).partition("\n")[0]
        raise StackError(
            f"the database of sweeps at {without_passwords(database)} cannot be used: {first}; "
            "see ASSAYLINE_SWEEPS_DATABASE_URL"
        ) from error


def _storage(database: str) -> "optuna.storages.RDBStorage":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A connection that a server closed between two trials of an hour each is opened again.
    return optuna.storages.RDBStorage(database, engine_kwargs={"pool_pre_ping": True})


def _sampler(settings: SweepSettings, finished: int) -> "optuna.samplers.TPESampler":
    """A sampler for one trial, whose draws follow from the seed and the trials that are finished.

    One that goes on from trial to trial would lose the state of its generator with its process.
    """
    import optuna

    drawn = np.random.SeedSequence([settings.seed, finished]).generate_state(1)
    return optuna.samplers.TPESampler(seed=int(drawn[0]), n_startup_trials=settings.startup_trials)


def _suggested(trial: "optuna.Trial", name: str, swept: SweptSetting, *, whole: bool) -> JsonValue:
    if swept.choices is not None:
        # Optuna keeps scalars alone.
        words = [json.dumps(one, sort_keys=True) for one in swept.choices]
        chosen: JsonValue = json.loads(trial.suggest_categorical(name, words))
        return chosen
    low, high = swept.low or 0.0, swept.high or 0.0
    if whole:
        step = int(swept.step or 1)
        return trial.suggest_int(name, int(low), int(high), step=step, log=swept.log)
    return trial.suggest_float(name, low, high, step=swept.step, log=swept.log)


def _told(study: "optuna.Study") -> tuple[Trial, ...]:
    from optuna.trial import TrialState

    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    found: list[Any] = [one.user_attrs[_TOLD]["trial"] for one in ended if _TOLD in one.user_attrs]
    return tuple(sorted(map(_TRIAL.validate_python, found), key=lambda one: one.number))
