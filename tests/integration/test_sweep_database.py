"""A study in a real PostgreSQL, which several machines reach."""

from urllib.parse import quote

import pytest

from infra.errors import StackError
from tasks.records.sweep import Measurement, Trial
from tasks.sweep.settings import SweepSettings
from tasks.sweep.study import SweepStudy, newest_study
from tests.integration.test_sql_source import PASSWORD, USER, Postgres, postgres

__all__ = ["postgres"]

SETTINGS = SweepSettings.model_validate(
    {"space": {"training.learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}, "trials": 5}
)


@pytest.fixture
def database(postgres: Postgres) -> str:
    postgres.run("DROP DATABASE IF EXISTS sweeps WITH (FORCE)", "CREATE DATABASE sweeps")
    return f"postgresql+psycopg://{USER}:{quote(PASSWORD)}@127.0.0.1:{postgres.port}/sweeps"


def study(database: str) -> SweepStudy:
    return SweepStudy(database, "news 1", "news", SETTINGS, frozenset())


def test_a_study_that_was_cut_off_goes_on_over_another_connection(database: str) -> None:
    first = study(database)
    for value in (0.5, 0.7):
        asked = first.ask()
        told = Trial(asked.number, asked.settings, quality=Measurement(value, 0.4, 0.8))
        first.tell(asked, told)
    cut = first.ask()
    again = study(database)
    assert again.cut_off() == 1
    assert again.ask().settings == cut.settings
    assert [one.quality.value for one in again.trials if one.quality] == [0.5, 0.7]
    found = newest_study(database, "news")
    assert found
    assert (found.planned, len(found.trials)) == (5, 2)


def test_a_wrong_password_stands_in_no_message(database: str) -> None:
    wrong = database.replace(quote(PASSWORD), "not-it-1234")
    with pytest.raises(StackError, match="cannot be used") as refused:
        study(wrong)
    assert "not-it-1234" not in str(refused.value)
