"""What each container starts with: secrets from files, then the command that it was given.

``python -m infra.deploy.entry COMMAND ...``: for each variable that holds a secret, such as
``PREFECT_API_AUTH_STRING``, one of that name with ``_FILE`` behind it may name a file in its place,
as images of databases take it. So no secret stands in a compose file, in what ``docker inspect``
shows, or in a layer of the image.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.deploy.exits import exit_with_message
from infra.deploy.settings import variables
from infra.errors import SettingsError
from infra.local.launch import become

ENDING = "_FILE"


def secrets_from_files(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables whose files are named, with what is in them but for the end of the last line.

    Raises:
        SettingsError: a file cannot be read or is empty, or a variable is given both ways.

    """
    found = {}
    for name in (name for name, is_secret in variables().items() if is_secret):
        place = environment.get(f"{name}{ENDING}")
        if not place:
            continue
        if environment.get(name):
            raise SettingsError(f"{name} and {name}{ENDING} are both set; leave one of them out")
        try:
            text = Path(place).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{name}{ENDING} names {place}, which cannot be read ({error}); make the secrets "
                "(python -m infra.deploy.new_secrets FOLDER), or correct the path"
            ) from error
        if not text:
            raise SettingsError(f"{name}{ENDING} names {place}, which is empty")
        found[name] = text
    return found


def main() -> None:
    """Read the secrets, and become the command."""
    command = sys.argv[1:]
    if not command:
        raise SettingsError("no command; right would be: python -m infra.deploy.entry COMMAND ...")
    program = shutil.which(command[0])
    if program is None:
        raise SettingsError(f"there is no program {command[0]} here")
    secrets = secrets_from_files(os.environ)
    become([program, *command[1:]], secrets, [f"{name}{ENDING}" for name in secrets])


if __name__ == "__main__":
    with exit_with_message():
        main()
