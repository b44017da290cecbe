"""Makes the secrets of a deployed stack: ``python -m infra.deploy.new_secrets FOLDER``.

One file for each, under the name that the compose file and the manifests use. A file that is there
stays: what it opens, a database for example, keeps the password that it was made with. It needs
nothing but Python's own library, so that a checkout and any Python 3.11 are enough.

The folder is for its owner alone; the files in it are readable, since each is shown by itself in
containers that run under another user.
"""

import os
import secrets
import sys
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o444
DATABASE_HOST = "postgres:5432"
# As its driver wants it: SQLAlchemy's names of a dialect and a driver.
DRIVERS = {"mlflow": "postgresql+psycopg", "prefect": "postgresql+asyncpg"}


def new_secrets() -> dict[str, str]:
    """Every secret by its name, drawn anew; those that belong together agree.

    Letters and digits alone: no shell, address or configuration file gives one of them a meaning.
    """
    owner_of_mlflow, reader, owner_of_prefect = (secrets.token_hex(16) for _ in range(3))
    made = {
        "postgres_password": secrets.token_hex(16),
        "store_access_key_id": secrets.token_hex(10),
        "store_secret_access_key": secrets.token_hex(20),
        "mlflow_password": owner_of_mlflow,
        "mlflow_reader": f"reader:{reader}",
        "mlflow_reader_password": reader,
        "prefect_login": f"assayline:{owner_of_prefect}",
        "results_key": secrets.token_hex(32),
        "serving_token": secrets.token_hex(16),
    }
    for name, driver in DRIVERS.items():
        password = secrets.token_hex(16)
        made[f"{name}_database_password"] = password
        made[f"{name}_database_url"] = f"{driver}://{name}:{password}@{DATABASE_HOST}/{name}"
    return made


def write_secrets(folder: Path) -> list[str]:
    """Write those that are not there, and none where some that belong together would not agree.

    Returns:
        The names of the secrets that were made.

    Raises:
        ValueError: of secrets that belong together some are there and some are not.

    """
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    folder.chmod(FOLDER_MODE)
    made = {name: text for name, text in new_secrets().items() if not (folder / name).exists()}
    for name in ("mlflow_reader", "mlflow_database", "prefect_database"):
        together = {
            one for one in (name, f"{name}_password", f"{name}_url") if one in new_secrets()
        }
        missing = together & made.keys()
        if missing and missing != together:
            raise ValueError(
                f"{folder} has {', '.join(sorted(together - missing))} and lacks "
                f"{', '.join(sorted(missing))}, which hold the same password; put it back, or "
                "remove the others and give the database or MLflow the new password"
            )
    for name, text in made.items():
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        (folder / name).chmod(FILE_MODE)  # whatever the umask
    return sorted(made)


def main() -> None:
    """Make them, and say which."""
    named = sys.argv[1:]
    if len(named) != 1:
        sys.exit("error: name one folder: python -m infra.deploy.new_secrets FOLDER")
    folder = Path(named[0])
    try:
        made = write_secrets(folder)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    kept = len(new_secrets()) - len(made)
    sys.stdout.write(f"made {len(made)} secrets in {folder}, {kept} were there\n")


if __name__ == "__main__":
    main()
