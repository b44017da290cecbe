"""What the version in production is asked before it serves, and which answers it must give."""

from collections.abc import Callable, Sequence
from typing import Any

from infra.errors import IntegrityError, PromotionError
from infra.store import ObjectStore
from infra.tracking import Tracking
from tasks.records.registry import Production
from tasks.registry.answers import KeptAnswers, is_same, kept_answers
from tasks.registry.line_state import LineState
from tasks.registry.proof import proof_of
from tasks.task_types.requests import Request, probe_requests
from tasks.task_types.row_shapes import shape_of

SHOWN_CHARS = 200


def asked_before_serving(
    production: Production, *, store: ObjectStore, tracking: Tracking
) -> tuple[tuple[Request, ...], Callable[[Sequence[Any]], None]]:
    """Requests, and what raises PromotionError where their answers are not those that were proven.

    Asked are the rows that the version answered when it was staged, and a few that any model of
    its task type must answer, such as an empty text.

    Raises:
        IntegrityError: its proof was changed.
        StoreError, TrackingError: a server is unreachable.

    """
    line, version = production.line, production.version
    history = [recorded.entry for recorded in LineState(line, store, tracking).history]
    proof = proof_of(line, version, history, tracking.version_tags(line, version))
    if proof.manifest_sha256 != production.manifest_sha256:
        raise IntegrityError(
            f"version {version} of {line} had the manifest {production.manifest_sha256} when it "
            f"was looked up, and has {proof.manifest_sha256 or 'none'} now; it is not served"
        )
    kept = kept_answers(proof.answers_sha256, store) if proof.answers_sha256 else None
    probes = probe_requests(shape_of(production.task_type))
    staged = kept.rows if kept else ()

    def check(answers: Sequence[Any]) -> None:
        if kept:
            _check_kept(production, answers[len(probes) :], kept)
        _check_form(production, answers)

    return (*probes, *(row.request for row in staged)), check


def _check_kept(production: Production, answers: Sequence[Any], kept: KeptAnswers) -> None:
    pairs = zip(answers, kept.rows, strict=True)
    others = [pair for pair in pairs if not is_same(pair[0], pair[1].answer, kept.tolerance)]
    if others:
        now, row = others[0]
        raise PromotionError(
            f"version {production.version} of {production.line} answers {len(others)} of "
            f"{len(kept.rows)} rows otherwise than when it was staged: {_shown(now)}, and it was "
            f"{_shown(row.answer)}. Its files are the same, so it is the libraries or the machine "
            "that differ; it is not served here"
        )


def _check_form(production: Production, answers: Sequence[Any]) -> None:
    """Every answer holds the same keys, as the signature of the registered version says."""
    forms = {tuple(sorted(answer)) if isinstance(answer, dict) else None for answer in answers}
    if len(forms) != 1 or None in forms:
        raise PromotionError(
            f"version {production.version} of {production.line} gives answers of several forms "
            f"({_shown(sorted(map(str, forms)))}); it is not served"
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]} ..."
