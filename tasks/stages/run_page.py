"""Tables and links on the page of the Prefect run, where there is one."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from prefect.context import FlowRunContext, TaskRunContext

from infra.errors import AssaylineError, DataError
from infra.run_queue import page_of
from infra.settings import load_settings
from infra.store import open_store
from tasks.records.canary_outcome import CanaryOutcome
from tasks.records.data import BrokenContractError, Snapshot
from tasks.records.judged_version import JudgedVersion
from tasks.records.power import PowerForecast
from tasks.records.registry import AliasCheck, Decision, Report, VersionState
from tasks.records.source_use import SourceLook
from tasks.reporting.data_section import DataEvidence
from tasks.reporting.evidence import Evidence
from tasks.stages.page_artifacts import show_link, show_markdown, show_table

_log = logging.getLogger(__name__)

# Artifacts of a run as a whole, which Prefect lists before those of its tasks.
VERDICT: Final = "verdict"
APPROVAL: Final = "approval"
DATA_VERDICT: Final = "data-verdict"
REGISTRY: Final = "registry"
CANARY: Final = "canary-decision"


def show_data(evidence: DataEvidence) -> None:
    """Put the funnel, and drift where it was measured, on the page of the Prefect run."""
    if not TaskRunContext.get():
        return
    from tasks.reporting.data_section import drift_row, shift_rows
    from tasks.reporting.summaries import artifact_key, drift_markdown, funnel_markdown

    line = evidence.line
    tables = {"rows": (funnel_markdown(evidence), "Where the rows went")}
    if evidence.drift:
        tables["drift"] = (drift_markdown(map(drift_row, evidence.drift.checks)), "Drift")
    if evidence.shifts.held_out:
        tables["split-shift"] = (
            drift_markdown(shift_rows(evidence.shifts.held_out)),
            "Held-out rows against the training rows",
        )
    for kind, (markdown, title) in tables.items():
        show_markdown(markdown, artifact_key(kind, line), f"{title}: {line}")


def show_report(evidence: Evidence, report: Report) -> None:
    """Put tables and links on the page of the Prefect run."""
    if not TaskRunContext.get():
        return
    from tasks.reporting.power import power_markdown
    from tasks.reporting.recipe import recipe_markdown
    from tasks.reporting.run_tables import gate_rows
    from tasks.reporting.summaries import (
        artifact_key,
        calibration_markdown,
        confusion_markdown,
        groups_markdown,
    )

    show_data(evidence.data_evidence)
    line, version = evidence.line, evidence.version
    tables = {
        "groups": (groups_markdown(evidence.fairness), "Groups"),
        "recipe": (recipe_markdown(evidence.scores), "Artifact and recipe"),
    }
    if evidence.judgement.power:
        tables["power"] = (power_markdown(evidence.judgement.power), "Power of the gates")
    scores = evidence.scores
    if scores.confusion:
        tables["confusion"] = (confusion_markdown(scores), "Confusion on the test rows")
    if scores.calibration:
        tables["calibration"] = (calibration_markdown(scores), "Calibration on the test rows")
    for kind, (markdown, title) in (tables | _tables_of_some_lines(evidence)).items():
        described = f"{title} of {line} version {version.version}"
        show_markdown(markdown, artifact_key(kind, line), described)
    gates = f"Gates of {line} version {version.version}"
    show_table(gate_rows(evidence.judgement), artifact_key("gates", line), gates)
    links = {
        "report": (report.url, f"Report of {line} version {version.version}", "All evidence"),
        "version": (version.url, f"{line} version {version.version} in MLflow", "What is served"),
    }
    for kind, (url, text, what) in links.items():
        show_link(url, text, artifact_key(kind, line), f"{what}: {text}")


def _tables_of_some_lines(evidence: Evidence) -> dict[str, tuple[str, str]]:
    """Of lines with golden sets, new training rows, probes and the like: Markdown and title."""
    from tasks.reporting.abstention import abstention_markdown
    from tasks.reporting.augmentation import augmentation_markdown
    from tasks.reporting.explanation import explanation_markdown
    from tasks.reporting.golden import golden_markdown
    from tasks.reporting.harm import harm_markdown
    from tasks.reporting.language_bias import language_bias_markdown
    from tasks.reporting.leave_one_domain_out import leave_one_domain_out_markdown
    from tasks.reporting.memory import memory_markdown
    from tasks.reporting.mitigation import mitigation_markdown, mitigation_of
    from tasks.reporting.out_of_distribution import out_of_distribution_markdown
    from tasks.reporting.robustness import robustness_markdown

    tables = {}
    if evidence.golden:
        tables["golden"] = (golden_markdown(evidence.golden), "Golden sets and behaviour suites")
    if evidence.augmentation:
        new_rows = augmentation_markdown(evidence.augmentation, evidence.scores.estimates)
        tables["augmentation"] = (new_rows, "New training rows")
    if mitigation := mitigation_of(evidence.tokens, evidence.weights):
        weighed = mitigation_markdown(mitigation, evidence.data.task_type, evidence.estimates)
        tables["mitigation"] = (weighed, "Mitigation")
    scores = evidence.scores
    probes: dict[str, tuple[object, Callable[[Any], str], str]] = {
        "robustness": (scores.robustness, robustness_markdown, "Robustness under small changes"),
        "language-bias": (
            scores.language_bias,
            language_bias_markdown,
            "Stereotypes of the language model",
        ),
        "memory": (scores.memory, memory_markdown, "Memory of training data"),
        "harm": (scores.harm, harm_markdown, "Harmful output"),
        "explanation": (scores.explanation, explanation_markdown, "Explained answers"),
        "abstention": (scores.abstention, abstention_markdown, "Abstention"),
        "out-of-distribution": (
            scores.out_of_distribution,
            out_of_distribution_markdown,
            "Out-of-distribution texts",
        ),
        "left-out-domains": (
            scores.leave_one_domain_out,
            leave_one_domain_out_markdown,
            "Domains left out",
        ),
    }
    for key, (found, markdown, title) in probes.items():
        if found:
            tables[key] = (markdown(found), title)
    return tables


def show_forecast(line: str, forecast: PowerForecast) -> None:
    """Put what the gates can decide on the page of the Prefect run, before anything is trained."""
    if not TaskRunContext.get():
        return
    from tasks.reporting.power import forecast_markdown
    from tasks.reporting.summaries import artifact_key

    described = f"What the gates of {line} can decide, before training"
    show_markdown(forecast_markdown(forecast), artifact_key("forecast", line), described)


def show_decision(decision: Decision) -> None:
    """Put what a run came to on its page, as an artifact of the run as a whole."""
    from tasks.reporting.summaries import verdict_markdown

    _show_verdict(
        VERDICT, decision.line, verdict_markdown(decision),
        f"{decision.line} version {decision.version} {decision.action}: {decision.reason}",
    )  # fmt: skip


def show_request(judged: JudgedVersion, until: str) -> None:
    """Put what a person is asked on the page of a run that waits for approval.

    Args:
        judged: the candidate.
        until: up to when it waits, ISO 8601, UTC.

    """
    from tasks.reporting.approval import approval_markdown
    from tasks.reporting.summaries import artifact_key

    version = judged.version
    name = f"{version.line} version {version.version}"
    _show_verdict(
        APPROVAL, version.line, approval_markdown(judged, until), f"{name} awaits approval"
    )
    links = {
        "report": (judged.report.url, f"Report of {name}", "All evidence"),
        "version": (version.url, f"{name} in MLflow", "What is served"),
    }
    for kind, (url, text, what) in links.items():
        show_link(url, text, artifact_key(kind, version.line), f"{what}: {text}")


def show_canary(outcome: CanaryOutcome) -> None:
    """Put what became of a canary on the page of the run, as an artifact of the whole run."""
    from tasks.reporting.canary_summary import outcome_markdown

    _show_verdict(
        CANARY, outcome.line, outcome_markdown(outcome),
        f"{outcome.line} version {outcome.version}: {outcome.action}",
    )  # fmt: skip


def show_states(line: str, states: Sequence[VersionState]) -> None:
    """Put what each version of a line is now on the page of the run, as a table."""
    if not FlowRunContext.get() or not load_settings().prefect_url:
        return
    from tasks.reporting.run_tables import state_rows
    from tasks.reporting.summaries import artifact_key

    described = f"The versions of {line}: aliases, and what was decided last"
    show_table(state_rows(states), artifact_key("states", line), described)


def show_alias_check(found: AliasCheck) -> None:
    """Put what was moved in MLflow on the page of the look, as an artifact of the whole run."""
    from tasks.reporting.alias_check import alias_check_markdown

    described = f"The aliases of {found.line} were moved in MLflow: {found.done}"
    _show_verdict(REGISTRY, found.line, alias_check_markdown(found), described)


def show_source_look(look: SourceLook, told: str) -> None:
    """Put the source as it is, and as the newest retraining read it, on the page of the look.

    Args:
        look: what it came to.
        told: what a look costs, or cannot see.

    """
    server = load_settings().prefect_url
    if not FlowRunContext.get() or not server:
        return
    from tasks.reporting.source_look import source_rows
    from tasks.reporting.summaries import artifact_key

    note = f"{look.line}: {look.note}"
    described = f"{note} ({told})" if told else note
    show_table(source_rows(look, server), artifact_key("source", look.line), described)
    if look.run:
        text, key = f"The retraining of {look.line}", artifact_key("source-retraining", look.line)
        show_link(page_of(server, look.run), text, key, note)


def show_checked_data(evidence: DataEvidence, where: Sequence[str] = ()) -> str | None:
    """Put the verdict over a line's data on the run's page, as an artifact of the run as a whole.

    Args:
        evidence: of the check.
        where: to look further, a line each.

    Returns:
        The artifact's page; None where there is none.

    """
    from tasks.reporting.data_section import data_headline
    from tasks.reporting.summaries import data_verdict_markdown

    described = f"The data of {evidence.line}: {data_headline(evidence).title.lower()}"
    return _show_verdict(
        DATA_VERDICT, evidence.line, data_verdict_markdown(evidence, where), described
    )


def _show_verdict(kind: str, line: str, markdown: str, described: str) -> str | None:
    """Of a flow run, not of one of its tasks; what is decided stands even if it cannot be shown."""
    from tasks.reporting.summaries import artifact_key

    server = load_settings().prefect_url
    if not FlowRunContext.get() or not server:
        return None
    made = show_markdown(markdown, artifact_key(kind, line), described)
    return f"{server.removesuffix('/api')}/artifacts/artifact/{made}" if made else None


@contextmanager
def broken_contract_shown(line: str, snapshot: Snapshot) -> Iterator[None]:
    """Write the data report of data that breaks its contract, as of data that keeps it.

    Raises:
        DataError: the contract is broken; with the addresses of the report, on the page of the
            Prefect run and in the home folder of the machine that the flow runs on.

    """
    try:
        yield
    except BrokenContractError as error:
        where = _write_broken(DataEvidence(line, snapshot, error.found, None, None))
        raise DataError("\n".join([str(error), *where])) from error


def _write_broken(evidence: DataEvidence) -> list[str]:
    """Where the report on broken data is to be seen; what cannot be written hides no breach."""
    from tasks.reporting.local_pages import fetch_data_page
    from tasks.reporting.publication import publish_data_page

    where = []
    try:
        store = open_store()
        page = publish_data_page(evidence, store=store)
        report, rows = fetch_data_page(page, load_settings().home, store)
        where = [f"the same rows, to be mended: {rows}"] if rows else []
        where.append(f"data report: {report}")
    except (AssaylineError, OSError) as error:
        _log.warning("the report on the data of %s is not written: %s", evidence.line, error)
    shown = show_checked_data(evidence, where)
    return [*where, f"on the run's page: {shown}"] if shown else where
