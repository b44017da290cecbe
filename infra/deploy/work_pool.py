"""Prefect's work pool of Kubernetes jobs, from the template beside the manifests."""

import json
from collections.abc import Mapping
from typing import Any

from infra.deploy.settings import ContainerSettings
from infra.errors import SettingsError
from infra.local.parts import WORK_POOL
from infra.prefect_api import PrefectApi

KIND = "kubernetes"


def ensure_kubernetes_pool(prefect_api: PrefectApi, container: ContainerSettings) -> None:
    """Make the pool, or give it the template as it is now; nothing where none is named.

    Raises:
        SettingsError: the template or its image is missing, or cannot be read.
        StackError: Prefect refuses it, or has a pool of this name and another type.

    """
    if container.job_template is not None:
        prefect_api.set_template(WORK_POOL, KIND, job_template(container))


def job_template(container: ContainerSettings) -> dict[str, Any]:
    """The template with its image and its GPUs as the default of what a run may say.

    Raises:
        SettingsError: the file cannot be read or is no such template, or no image is named.

    """
    path = container.job_template
    if path is None:
        raise SettingsError("ASSAYLINE_JOB_TEMPLATE is not set; name the template of the pool")
    try:
        template: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        defaults: Mapping[str, dict[str, Any]] = template["variables"]["properties"]
        image, gpus = defaults["image"], defaults["gpus"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SettingsError(
            f"ASSAYLINE_JOB_TEMPLATE names {path}, which cannot be read as a template with the "
            f"variables image and gpus ({error!r})"
        ) from error
    if container.job_image is None:
        raise SettingsError("ASSAYLINE_JOB_IMAGE is not set; name the image that jobs run")
    image["default"] = container.job_image
    gpus["default"] = container.job_gpus
    return template
