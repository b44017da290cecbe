"""People with logins of their own at the MLflow of a stack, for the tests."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from infra.mlflow_logins import MlflowLogins, Role
from infra.settings import Settings
from tests.conftest import RunningStack


@dataclass(frozen=True)
class Person:
    """Somebody with a login."""

    name: str
    password: str
    stack: RunningStack

    @property
    def settings(self) -> Settings:
        """The stack's, with the person's login at MLflow."""
        login = {"mlflow_user": self.name, "mlflow_password": SecretStr(self.password)}
        return self.stack.settings.model_copy(update=login)

    @property
    def logins(self) -> MlflowLogins:
        return MlflowLogins(self.settings)

    @property
    def variables(self) -> Mapping[str, str]:
        """What the person sets before a command: addresses, logins, and the keys of the store."""
        settings = self.stack.settings
        everything = settings.as_environment()
        store = {name: everything[name] for name in everything if "_STORE_" in name}
        return {
            **store,
            # Whose home it is has the stack's own login.
            "ASSAYLINE_HOME": str(self.stack.folder / f"home-of-{self.name}"),
            "ASSAYLINE_WORKER": "off",
            "MLFLOW_TRACKING_URI": str(settings.mlflow_url),
            "PREFECT_API_URL": str(settings.prefect_url),
            "MLFLOW_TRACKING_USERNAME": self.name,
            "MLFLOW_TRACKING_PASSWORD": self.password,
            "PREFECT_API_AUTH_STRING": f"{self.name}:{self.password}",
        }


@contextmanager
def people(stack: RunningStack, **roles: Role) -> Iterator[dict[str, Person]]:
    """Persons by name, who are gone at the end: while there are any, each decision names one."""
    owner = MlflowLogins(stack.settings)
    made = {name: Person(name, secrets.token_hex(16), stack) for name in roles}
    try:
        for name, person in made.items():
            owner.add(name, person.password, roles[name])
        yield made
    finally:
        for name in made.keys() & {user.username for user in owner.users()}:
            owner.remove(name)
