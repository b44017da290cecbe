"""The token that `assayline serve` asks for: the user's own, or one made at first use."""

import re
import secrets
from pathlib import Path
from typing import Final

from infra.errors import SettingsError, StackError
from infra.local.private_files import FILE_MODE, locked, write_private
from infra.settings import StackSettings

FILE: Final = "serving.token"
# What RFC 6750 admits in an Authorization header.
_FORM: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def serving_token(home: Path, stack: StackSettings) -> str | None:
    """The token of this home's servers; None where ASSAYLINE_LOGIN is off.

    Raises:
        SettingsError: it cannot stand in a header.
        StackError: its file cannot be read or written.

    """
    if not stack.login:
        return None
    if stack.serving_token:
        token, where = stack.serving_token.get_secret_value(), "ASSAYLINE_SERVING_TOKEN"
    else:
        token, where = _kept(home / FILE), str(home / FILE)
    if not _FORM.fullmatch(token):
        raise SettingsError(
            f"the token in {where} cannot stand in a header; right would be letters, digits and "
            "- . _ ~ + / alone"
        )
    return token


def _kept(path: Path) -> str:
    if not path.exists():
        with locked(path.parent):  # of two servers that start at once, both have the first one's
            if not path.exists():
                # 128 bits, in letters and digits only: a double click selects it.
                write_private(path, secrets.token_hex(16) + "\n")
    try:
        path.chmod(FILE_MODE)
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise StackError(f"{path} cannot be read: {error}; remove it for a new one") from error
