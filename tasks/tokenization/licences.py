"""Whether a line may start from a base model, by the licence that the model's own files state."""

from typing import Final

from infra.errors import SettingsError
from infra.model_cards import licence_of
from tasks.tokenization.settings import BaseModelSettings

# By their names on the Hugging Face hub: licences that allow any use and ask for a notice at most.
PLAIN_LICENCES: Final = frozenset(
    {
        "apache-2.0", "mit", "mit-0", "bsd", "bsd-2-clause", "bsd-3-clause", "isc", "zlib",
        "unlicense", "cc0-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "artistic-2.0",
    }
)  # fmt: skip


def check_licence(settings: BaseModelSettings) -> str:
    """The licence of a line's base model, which is a plain one or was accepted.

    Args:
        settings: which model, and which licence was accepted.

    Returns:
        As the model states it; where it states none, as it was accepted, and else empty.

    Raises:
        SettingsError: it states a licence that asks more than a plain one, and none or another one
            was accepted.
        NotAtHandError: the model is not here, and what it states cannot be asked.

    """
    if settings.scratch:
        return ""
    accepted = settings.accepted_licence or ""
    stated = licence_of(settings.place, settings.revision)
    if accepted and stated and not _same(accepted, stated):
        raise SettingsError(
            f"base_model.accepted_licence is {accepted!r}, and {settings.place} states the licence "
            f"{stated!r}; read that one, and set it or leave the setting out"
        )
    plain = all(one.strip().casefold() in PLAIN_LICENCES for one in stated.split(","))
    if stated and not plain and not accepted:
        raise SettingsError(
            f"base model {settings.place} states the licence {stated!r}, which may ask more of who "
            "uses it, or of what is made of it, than a plain open one; read it, and set "
            f"base_model.accepted_licence: {stated} where you accept it, or name another model"
        )
    return stated or accepted


def _same(accepted: str, stated: str) -> bool:
    return " ".join(accepted.casefold().split()) == " ".join(stated.casefold().split())
