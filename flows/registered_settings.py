"""A line's settings as parameters of the flows whose form changes none of them.

Prefect's server checks a deployment's whole schema whenever it is written, half a second for each
hundred kilobytes, and again for a run of it. A line's settings have a hundred and forty. So the
form to change them in is that of a retraining, or of a check of the data; others take what the
line's file says, and a run checks it as it starts.
"""

from typing import Annotated, Any, Final

from pydantic import WithJsonSchema

from flows.config import DataConfig, RetrainConfig

# Without `properties`, Prefect's form shows the settings as JSON.
_AS_REGISTERED: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Config",
    "description": "The line's settings as its file has them; a run checks them as it starts.",
    "required": ["line"],
}

RegisteredConfig = Annotated[RetrainConfig, WithJsonSchema(_AS_REGISTERED)]
RegisteredDataConfig = Annotated[DataConfig, WithJsonSchema(_AS_REGISTERED)]
