"""What the flows need to find on the Prefect server: pool, limit, results block, deployments."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.errors import StackError
from infra.local.deployments import PREFECT_FILE, Registration, register
from infra.local.machine_slots import slots_of_this_machine
from infra.local.parts import WORK_POOL, prefect_environment
from infra.prefect_api import GPU_LIMIT, PrefectApi
from infra.results_block import BLOCK_NAME, BLOCK_TYPE, FORMER_BLOCK, stands
from infra.running_stacks import MARK
from infra.settings import Settings, StackSettings

# Of `infra.apprise_block`, whose import takes a second.
APPRISE_TYPE = "apprise-url"


def set_up_prefect(
    prefect_api: PrefectApi, settings: Settings, stack: StackSettings, *, is_shared: bool
) -> None:
    """Make the work pool, the concurrency limit and the results block, where they are missing.

    Args:
        prefect_api: the Prefect server.
        settings: what the results block is to say.
        stack: how many trainings run at once, and the folder of prefect.yaml.
        is_shared: others may use this server too, so that a block that says something else stays.

    Raises:
        StackError: the server refuses one of them, or keeps its results elsewhere.

    """
    prefect_api.ensure_work_pool(WORK_POOL)
    ensure_slots(prefect_api, stack)
    if not prefect_api.has_block_type(APPRISE_TYPE):
        _run_module("infra.apprise_block", settings, stack.project, f"the block {APPRISE_TYPE}")
    if not is_shared:
        prefect_api.delete_block(*FORMER_BLOCK)
    block = prefect_api.block(BLOCK_TYPE, BLOCK_NAME)
    if stands(settings, block):
        return
    if block is not None and is_shared:
        raise StackError(
            f"the Prefect server at {prefect_api.url} keeps results in another object store than "
            f"these settings name: its block {BLOCK_TYPE}/{BLOCK_NAME} differs; correct "
            "ASSAYLINE_STORE_* and ASSAYLINE_RESULTS_BUCKET, or delete the block in Prefect's UI, "
            "and `assayline up` writes it anew"
        )
    what = f"Prefect's results block {BLOCK_NAME}"
    _run_module("infra.signed_results", settings, stack.project, what)


def ensure_slots(prefect_api: PrefectApi, stack: StackSettings) -> None:
    """Make the limit, and give it the size that the settings name, if they do.

    One that the settings leave open is measured once, so that a size set in Prefect's UI stays.
    """
    limit = prefect_api.limit(GPU_LIMIT)
    wanted = stack.trainings_at_once
    if limit is None:
        # Where others run the worker, nothing here tells what their machines can do.
        slots = wanted or (slots_of_this_machine() if stack.worker else 1)
        prefect_api.ensure_limit(GPU_LIMIT, slots)
    elif wanted and limit.limit != wanted:
        prefect_api.resize_limit(GPU_LIMIT, wanted)


def _run_module(module: str, settings: Settings, project: Path, what: str) -> None:
    """Save a block in a process of its own, which needs Prefect's classes.

    Raises:
        StackError: the server refuses it.

    """
    saved = subprocess.run(
        [sys.executable, "-m", module],
        env=dict(_environment(settings, project)),
        cwd=settings.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if saved.returncode != 0:
        reason = " ".join(saved.stderr.strip().splitlines()[-1:])
        raise StackError(f"cannot save {what}: {reason}")


def register_deployments(
    prefect_api: PrefectApi, settings: Settings, project: Path, prefect_file: Path | None = None
) -> Registration | None:
    """Register the deployments of a prefect.yaml; None where there is no such file.

    Args:
        prefect_api: the server to register with.
        settings: of the servers.
        project: folder of the flows.
        prefect_file: the project's own if left out.

    Raises:
        StackError: Prefect refuses the file.

    """
    prefect_file = prefect_file or project / PREFECT_FILE
    if not prefect_file.is_file():
        return None
    environment = _environment(settings, project)
    return register(prefect_file, project, prefect_api, environment, settings.home)


def _environment(settings: Settings, project: Path) -> Mapping[str, str]:
    ours = prefect_environment(settings.home, project, settings)
    return {**os.environ, **ours, MARK: str(settings.home)}
