"""The settings that a line was registered with, for a command that is given its name alone."""

from pathlib import Path

from pydantic import ValidationError

from flows.config import RetrainConfig, load_config
from infra.errors import SettingsError, StackError
from infra.prefect_api import PrefectApi
from infra.settings import Settings, explain_validation


def settings_of_line(line: str, config: Path | None, settings: Settings) -> RetrainConfig:
    """A line's settings: of a file, or as its deployment on the Prefect server has them.

    Args:
        line: the model line.
        config: its YAML file; None looks at the deployment `retrain/LINE`.
        settings: where Prefect is.

    Raises:
        SettingsError: the file is refused or is of another line, or no deployment is of this line.
        StackError: the Prefect server is not reached.

    """
    if config is not None:
        checked = load_config(config)
        if checked.line != line:
            raise SettingsError(
                f"{config} is of the line {checked.line}, and {line} was asked for; name its own"
            )
        return checked
    try:
        found = PrefectApi(settings).deployments().get(f"retrain/{line}")
    except StackError as error:
        raise StackError(f"{error}; or name the line's settings file: --config FILE") from error
    if found is None:
        raise SettingsError(
            f"no deployment retrain/{line} says how the line is set; name its settings file: "
            "--config FILE"
        )
    try:
        return RetrainConfig.model_validate(found.parameters.get("config"))
    except ValidationError as error:
        raise SettingsError(explain_validation(error, f"the deployment retrain/{line}")) from error
