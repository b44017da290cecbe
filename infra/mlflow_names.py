"""What MLflow admits in names and values, and how other texts are written there.

MLflow refuses a metric whose name holds characters beyond letters, digits and ``/ _ . - :`` and
space, or that is no plain path (``a//b``, ``a/../b``) or begins with two dots, or that is longer
than 250 characters (`mlflow.utils.validation`). Names are made of what users bring, such as a label
that is a URL, and a refusal would come after training. So a name that MLflow admits stays as it is,
and any other is written in a form that it admits, with a digest of the whole at its end, so that
two names that differ never become one.
"""

import hashlib
import re
from typing import Final

# What mlflow.utils.validation holds names and values to.
MAX_NAME_CHARS: Final = 250
MAX_PARAM_CHARS: Final = 6_000
MAX_RUN_TAG_CHARS: Final = 8_000
MAX_VERSION_TAG_CHARS: Final = 100_000
# What its database holds of a description.
MAX_DESCRIPTION_CHARS: Final = 5_000
MAX_METRICS_PER_REQUEST: Final = 1_000
MAX_PARAMS_PER_REQUEST: Final = 100

_NOT_ADMITTED: Final = re.compile(r"[^/\w.\- :]")
_DIGEST_CHARS: Final = 8


def mlflow_name(name: str) -> str:
    """The name under which MLflow keeps a metric or a parameter; the same for one that it admits.

    Args:
        name: any text.

    """
    parts = _NOT_ADMITTED.sub("_", name).split("/")
    plain = "/".join("_" if part in {"", ".", ".."} else part for part in parts)
    plain = f"_{plain[2:]}" if plain.startswith("..") else plain
    if plain == name and len(name) <= MAX_NAME_CHARS:
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_CHARS]
    return f"{plain[: MAX_NAME_CHARS - _DIGEST_CHARS - 1]}-{digest}"


def shortened(text: str, characters: int) -> str:
    """The text, or its beginning with the number of characters that it has in all.

    Args:
        text: of any length.
        characters: most that the result has.

    """
    if len(text) <= characters:
        return text
    end = f"… ({len(text):,} characters)"
    return text[: characters - len(end)] + end
