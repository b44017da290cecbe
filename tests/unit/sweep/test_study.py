"""The study of a sweep in a real database: what is asked, what is kept, and how it goes on."""

import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from infra.errors import StackError
from infra.store import Artifact
from tasks.records.sweep import Measurement, Trial
from tasks.records.training import Epoch, Weights
from tasks.sweep.settings import SweepSettings
from tasks.sweep.study import Asked, SweepStudy, newest_study

RATE, SIZE, LAYERS = "training.learning_rate", "training.batch_size", "distillation.student_layers"
SPACE = {
    RATE: {"low": 1e-5, "high": 1e-2, "log": True},
    SIZE: {"low": 8, "high": 32, "step": 8},
    LAYERS: [[0, 2, 4], [1, 3, 5], None],
}
WHOLE = frozenset({SIZE})


def settings(**changes: Any) -> SweepSettings:
    return SweepSettings.model_validate(
        {"space": SPACE, "trials": 9, "startup_trials": 3, "seed": 3} | changes
    )


@pytest.fixture
def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'sweeps.db'}"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Of databases; in memory where that can be, since each write is synchronous."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as name:
        yield Path(name)


def study(database: str, name: str = "news 1", **changes: Any) -> SweepStudy:
    return SweepStudy(database, name, "news", settings(**changes), WHOLE)


def came_to(asked: Asked) -> Trial:
    """A trial as a machine would make it, best near a rate of 0.001 and with many rows a step."""
    rate, size = asked.settings[RATE], asked.settings[SIZE]
    assert isinstance(rate, float)
    assert isinstance(size, int)
    if asked.number == 3:
        return Trial(asked.number, asked.settings, reason="the loss is no number")
    value = 1 - abs(math.log10(rate) + 3) / 4 - abs(size - 24) / 100
    return Trial(
        asked.number, asked.settings, quality=Measurement(value, value - 0.1, value + 0.1),
        worst_group=(0.5, "gender.female"), run_ids=("a", "b"),
    )  # fmt: skip


def made(sweep: SweepStudy, most: int = 99) -> list[Asked]:
    """Make trials until nothing is asked, or so many."""
    asked = []
    while not sweep.why_no_more() and len(asked) < most:
        asked.append(sweep.ask())
        sweep.tell(asked[-1], came_to(asked[-1]))
    return asked


def test_settings_are_of_the_space_and_the_kinds_that_they_take(database: str) -> None:
    sweep = study(database)
    asked = made(sweep)
    assert [one.number for one in asked] == list(range(1, 10))
    for one in asked:
        rate, size, layers = (one.settings[name] for name in (RATE, SIZE, LAYERS))
        assert isinstance(rate, float)
        assert 1e-5 <= rate <= 1e-2
        assert isinstance(size, int)
        assert size in {8, 16, 24, 32}
        assert layers in ([0, 2, 4], [1, 3, 5], None)
    assert len({str(one.settings) for one in asked}) > 6
    assert sweep.trials == tuple(came_to(one) for one in asked)
    assert sweep.why_no_more() == "all trials are made"


@pytest.mark.parametrize("cuts", [(0,), (3, 3), (5, 8)])
def test_a_sweep_that_is_cut_off_asks_what_one_that_is_not_asks(
    database: str, folder: Path, cuts: tuple[int, ...]
) -> None:
    undisturbed = made(study(f"sqlite:///{folder / 'other.db'}"))
    told = 0
    for cut in cuts:
        sweep = study(database)
        assert sweep.cut_off() == (told > 0 or cut != cuts[0])
        told += len(made(sweep, cut - told))
        sweep.ask()  # and the process is killed
    sweep = study(database)
    assert sweep.cut_off() == 1
    made(sweep)
    assert [one.settings for one in sweep.trials] == [one.settings for one in undisturbed]
    assert [one.number for one in sweep.trials] == list(range(1, 10))


def test_a_trial_that_was_cut_off_while_it_was_told_counts(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = made(study(f"sqlite:///{folder / 'other.db'}"))
    sweep = study(database)
    made(sweep, 5)
    asked = sweep.ask()
    with monkeypatch.context() as patch:
        patch.setattr(sweep._study, "tell", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sweep.tell(asked, came_to(asked))
    again = study(database)
    assert again.cut_off() == 0
    assert len(again.trials) == 6
    made(again)
    assert [one.settings for one in again.trials] == [one.settings for one in undisturbed]


def test_more_trials_go_on_with_the_same_ones(database: str, folder: Path) -> None:
    made(study(database, trials=5))
    longer = study(database)
    assert len(made(longer)) == 4
    whole = made(study(f"sqlite:///{folder / 'other.db'}"))
    assert [one.settings for one in longer.trials] == [one.settings for one in whole]


def test_another_seed_asks_something_else(database: str) -> None:
    first = made(study(database, "news 1", trials=3))
    second = made(study(database, "news 2", trials=3, seed=4))
    assert [one.settings for one in first] != [one.settings for one in second]


def test_what_came_of_trials_decides_what_is_asked(database: str) -> None:
    """The random start is the same; what is asked after it goes by its quality."""
    asked = []
    for name, sign in {"up": 1.0, "down": -1.0}.items():
        sweep = study(database, name)
        for _ in range(4):
            one = sweep.ask()
            value = sign * math.log10(float(str(one.settings[RATE])))
            sweep.tell(one, Trial(one.number, one.settings, quality=Measurement(value, 0, 0)))
        asked.append([*(each.settings for each in sweep.trials), sweep.ask().settings])
    up, down = asked
    assert up[:3] == down[:3]
    assert up[3:] != down[3:]


def test_of_an_error_the_least_is_the_best(database: str) -> None:
    sweep = study(database)
    for error in (0.3, 0.1, 0.2):
        asked = sweep.ask()
        trial = Trial(asked.number, asked.settings, quality=Measurement(error, error, error))
        sweep.tell(asked, trial, greater_is_better=False)
    assert sweep._study.best_value == -0.1
    assert [one.quality.value for one in sweep.trials if one.quality] == [0.3, 0.1, 0.2]


def test_a_space_that_is_tried_whole_ends_the_sweep(database: str) -> None:
    sweep = SweepStudy(
        database, "small", "news", settings(space={SIZE: [8, 16, 24]}, trials=40), frozenset()
    )
    while not sweep.why_no_more():
        asked = sweep.ask()
        sweep.tell(asked, Trial(asked.number, asked.settings, quality=Measurement(1, 1, 1)))
    assert {one.settings[SIZE] for one in sweep.trials} == {8, 16, 24}
    assert sweep.why_no_more() == "the space has 3 points, and all of them were tried"
    assert len(sweep.trials) < 40


def test_the_reference_is_kept(database: str) -> None:
    sweep = study(database)
    assert sweep.reference is None
    weights = Weights(
        Artifact("s3://b/w", "a" * 64, 7), ("a", "b"), 16, (Epoch(1, 0.5, 0.4, {"accuracy": 1.0}),),
        1, 10, "float32", "run", "cpu", 1.0, 2.0, 0,
    )  # fmt: skip
    sweep.keep_reference(weights)
    assert study(database).reference == weights


def test_the_newest_study_of_a_line_is_shown(database: str) -> None:
    assert newest_study(database, "news") is None
    made(study(database, "news 1"), 2)
    made(study(database, "news 2", trials=12), 3)
    SweepStudy(database, "other", "another line", settings(), WHOLE)
    found = newest_study(database, "news")
    assert found
    assert (found.name, found.planned, len(found.trials)) == ("news 2", 12, 3)


@pytest.mark.parametrize("name", ["sqlite:////no/such/folder/a.db", "nothing://user:secret@host/a"])
def test_a_database_that_cannot_be_used_is_one_message(name: str) -> None:
    with pytest.raises(StackError, match="the database of sweeps at") as refused:
        study(name)
    assert "secret" not in str(refused.value)
    assert "ASSAYLINE_SWEEPS_DATABASE_URL" in str(refused.value)
