"""Which source each retraining reads, and the look that starts one where there is another.

The retraining is found by the name of its deployment. Two looks at one source start one run: the
idempotency key, by which Prefect gives the run of before, is made of the source and of the
retraining that read the one before it.
"""

import logging
from typing import Final

from prefect.runtime import flow_run

from infra.digests import digest_of
from infra.errors import SettingsError
from infra.prefect_api import Deployment, FlowRun, PrefectApi
from infra.settings import load_settings
from infra.store import open_store
from tasks.records.data import SourceVersion
from tasks.records.source_use import SourceLook, SourceUse
from tasks.sources.settings import SourceSettings
from tasks.stages.caching import look_up
from tasks.stages.run_page import show_source_look

logger = logging.getLogger(__name__)

RETRAIN: Final = "retrain"
# Of a run that a look started.
TAG: Final = "new-data"
# Of a source, where the run ended before it had read it.
TRIES: Final = 3
_ENDED_BADLY: Final = frozenset({"FAILED", "CRASHED"})


@look_up
def keep_source_use(line: str, source: SourceVersion) -> None:
    """Record that this retraining reads the source as it is now."""
    from tasks.sources.source_use import keep_use, use_of

    keep_use(use_of(line, source, str(flow_run.id or "")), open_store())


@look_up
def retrain_on_new_source(line: str, source: SourceVersion, settings: SourceSettings) -> SourceLook:
    """Start the line's retraining, unless the newest one read the source as it is now.

    Raises:
        SettingsError: the line has no deployment of `retrain`.
        StackError: Prefect does not answer.

    """
    from tasks.sources.source_use import how_told, newest_use, use_of

    now, used = use_of(line, source, str(flow_run.id or "")), newest_use(line, open_store())
    look = _look(line, now, used, PrefectApi(load_settings()))
    logger.info("%s: %s", line, look.note)
    show_source_look(look, how_told(settings))
    return look


def _look(line: str, now: SourceUse, used: SourceUse | None, prefect_api: PrefectApi) -> SourceLook:
    if used is not None and used.sha256 == now.sha256:
        return SourceLook(
            line, now, used, "", is_started=False,
            note="the newest retraining read the source as it is now; nothing is started",
        )  # fmt: skip
    deployment = prefect_api.deployments().get(f"{RETRAIN}/{line}")
    if deployment is None:
        raise SettingsError(
            f"the source of {line} is new, and no deployment {RETRAIN}/{line} trains on it; "
            "`assayline run CONFIG` registers the deployments of a line"
        )
    if waiting := prefect_api.about_to_begin(deployment):
        return SourceLook(
            line, now, used, str(waiting[0].id), is_started=False,
            note=f"the source is new; the run {waiting[0].name} waits to begin, and will read it",
        )  # fmt: skip
    run, is_new = _start(deployment, now, used, prefect_api)
    return SourceLook(
        line, now, used, str(run.id), is_started=is_new, note=_said(run, is_new=is_new)
    )


def _start(
    deployment: Deployment, now: SourceUse, used: SourceUse | None, prefect_api: PrefectApi
) -> tuple[FlowRun, bool]:
    """A new run, or the one that was started for this source before and has not read it."""
    before = used.run if used else ""
    for attempt in range(TRIES):
        key = digest_of([now.line, now.sha256, before, attempt])
        run, is_new = prefect_api.start_once(deployment, key, (TAG,))
        if is_new or run.state.type not in _ENDED_BADLY:
            break
    return run, is_new


def _said(run: FlowRun, *, is_new: bool) -> str:
    if is_new:
        return "the source is new; a retraining is started"
    state = run.state.type
    if state in _ENDED_BADLY or state == "CANCELLED":
        tried = f" {TRIES} times" if state in _ENDED_BADLY else ""
        return (
            f"the source is new; its retraining was started{tried}, and ended as {state} before it "
            f"had read the source. Nothing more is started: see the run {run.name}, and start "
            "the line's retraining when it can go on"
        )
    return f"the source is new; the retraining {run.name}, which an earlier look started, goes on"
