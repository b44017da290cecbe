"""The model card: a README.md as Hugging Face reads it, each number with the artifact behind it.

Metadata: https://huggingface.co/docs/hub/model-cards. What neither a record nor a setting says (the
licence, the language) is left out rather than guessed.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from infra.errors import SettingsError
from infra.mlflow_names import MAX_DESCRIPTION_CHARS
from tasks.records.augmentation import Augmentation
from tasks.records.data import DataReport
from tasks.records.evaluation import Scores
from tasks.records.training import BaseModel, Weights
from tasks.reporting import number_format as figures
from tasks.reporting.augmentation import sentence_of
from tasks.reporting.estimates import estimate_row
from tasks.reporting.evidence import Evidence, EvidenceError, Source
from tasks.reporting.gates import headline
from tasks.reporting.groups import undetermined_groups
from tasks.reporting.memory import canary_sentence
from tasks.reporting.metrics import hub_name
from tasks.reporting.mitigation import Mitigation
from tasks.reporting.mitigation import sentence_of as sentence_of_mitigation
from tasks.reporting.page import Page, build_page
from tasks.reporting.probes import probe_overview
from tasks.reporting.quality import overall_estimates, weakest_class
from tasks.reporting.recipe import claimed_of
from tasks.reporting.settings import CardSettings
from tasks.reporting.summaries import markdown_table, plain
from tasks.task_types.model_card_texts import ModelCardTexts, card_texts_of
from tasks.task_types.requests import example_requests
from tasks.task_types.row_shapes import shape_of
from tasks.verdicts import Estimate

TEMPLATE: Final = "card.md.jinja"
README_TEMPLATE: Final = "model_readme.md.jinja"
_SHOWN_GATES: Final = 8
# The artifacts that the estimates of a family are computed from.
_BEHIND: Final = {
    "quality": ("scores",),
    "recipe": ("scores",),
    "baseline": ("scores",),
    "champion": ("scores",),
    "fresh": ("scores",),
    "anchor": ("scores",),
    "teacher": ("scores", "weights"),
    "uncompressed": ("scores", "weights", "data"),
    "unmitigated": ("scores", "tokens", "data"),
    "slice": ("scores", "data"),
    "fairness": ("scores", "data"),
    "counterfactual": ("weights", "data"),
    "staging": ("weights",),
    "labels": ("data",),
    "privacy": ("weights",),
    "augmentation": ("weights", "data", "augmented"),
    "robustness": ("weights", "scores", "data"),
    "language_bias": ("weights", "scores"),
    "memory": ("weights", "data"),
    "harm": ("weights", "data"),
    "explanation": ("weights", "data"),
    "abstention": ("weights", "scores", "data"),
    "out_of_distribution": ("weights", "data"),
    "leave_one_domain_out": ("weights", "tokens", "data"),
}


def render_card(evidence: Evidence) -> str:
    """The card; the same records give the same bytes.

    Raises:
        EvidenceError: the records do not belong together, or a number has no artifact.

    """
    page, purpose = build_page(evidence), purpose_of(evidence)
    environment = _environment()
    environment.globals.update(_words(page))
    return environment.get_template(TEMPLATE).render(
        evidence=evidence,
        page=page,
        metadata=Markup(front_matter(evidence)),  # noqa: S704 - YAML, no Markdown  # nosec B704
        undetermined=undetermined_groups(evidence.fairness.groups),
        purpose=purpose,
        call=Markup(_call(evidence, purpose)),  # noqa: S704 - code  # nosec B704
        weakest=weakest_class(evidence.scores),
        rows={estimate.name: estimate_row(estimate) for estimate in evidence.estimates},
        probes=probe_overview(evidence.scores, evidence.data),
    )


def _planted(scores: Scores) -> str:
    """What was planted among the rows that the model learned; empty where nothing was."""
    canaries = scores.memory.canaries if scores.memory else None
    return canary_sentence(canaries) if canaries else ""


def render_model_readme(
    line: str,
    data: DataReport,
    base: BaseModel,
    weights: Weights,
    scores: Scores,
    card: CardSettings,
    augmentation: Augmentation | None = None,
    mitigation: Mitigation | None = None,
) -> str:
    """The card that lies in the model's own folder; the same records give the same bytes.

    It says what is known when the version is registered: its bytes are then listed with those of
    all other files, and nothing is written there any more.

    Raises:
        EvidenceError: the data are of a task type that nobody describes.

    """
    environment = _environment()
    environment.globals.update({"count": figures.count, "code": _code})
    metadata = metadata_of(line, data, base, scores, card)
    return environment.get_template(README_TEMPLATE).render(
        line=line, data=data, base=base, weights=weights, scores=scores,
        purpose=_purpose(data.task_type),
        metadata=Markup(metadata),  # noqa: S704 - YAML, no Markdown  # nosec B704
        rows=[estimate_row(estimate) for estimate in overall_estimates(scores)],
        claimed_of=claimed_of(scores),
        augmented=sentence_of(augmentation) if augmentation else "",
        planted=_planted(scores),
        weighed=sentence_of_mitigation(mitigation) if mitigation else "",
    )  # fmt: skip


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        # Not HTML: the finalizer escapes every value, for Markdown and for HTML in it.
        autoescape=False,  # noqa: S701  # nosec B701
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def cited(metric: str, sources: dict[str, Source]) -> str:
    """The artifacts behind an estimate, with the first digits of their digests.

    Raises:
        EvidenceError: nobody says which artifact such an estimate comes from.

    """
    family, name = (*metric.split("."), "")[:2]
    if family in {"golden", "behaviour"} and f"{family} {name}" in sources:
        return sources[f"{family} {name}"].cited
    if family not in _BEHIND:
        raise EvidenceError(f"{metric} has no artifact behind it; known are {sorted(_BEHIND)}")
    return ", ".join(sources[name].cited for name in _BEHIND[family])


def front_matter(evidence: Evidence) -> str:
    """The card's YAML metadata, without its fences, as huggingface_hub writes it."""
    return metadata_of(
        evidence.line, evidence.data, evidence.base_model, evidence.scores, evidence.card
    )


def metadata_of(
    line: str, data: DataReport, base: BaseModel, scores: Scores, card: CardSettings
) -> str:
    """As `front_matter`, from the records that stand when a version is registered."""
    purpose = _purpose(data.task_type)
    results = [
        _result(line, data, scores, purpose, estimate)
        for estimate in overall_estimates(scores)
        if _is_finite(estimate)
    ]
    metadata = ModelCardData(
        model_name=line,
        base_model=card.base_model or _base_name(base),
        license=card.license,
        language=list(card.languages) if card.languages else None,
        datasets=list(card.datasets) if card.datasets else None,
        pipeline_tag=purpose.hub_task,
        library_name="transformers",
        metrics=sorted({result.metric_type for result in results}),
        eval_results=results,
    )
    return metadata.to_yaml() + "\n"


def _base_name(base: BaseModel) -> str:
    """The reference without what says where it lay on some machine."""
    return Path(base.reference).name if Path(base.reference).is_absolute() else base.reference


def _result(
    line: str, data: DataReport, scores: Scores, purpose: ModelCardTexts, estimate: Estimate
) -> EvalResult:
    return EvalResult(
        task_type=purpose.hub_task,
        task_name=purpose.title,
        dataset_type=line,
        dataset_name=f"{line}, held-out rows",
        dataset_split="test",
        dataset_revision=data.clean.sha256,
        metric_type=hub_name(estimate.name.partition(".")[2]),
        metric_name=figures.words_of(estimate.name),
        metric_value=estimate.value,
        metric_args={"n": estimate.n, "low_95": estimate.low, "high_95": estimate.high},
        source_name=f"scores {scores.artifact.sha256}",
        source_url=scores.artifact.uri,
    )


def _call(evidence: Evidence, purpose: ModelCardTexts) -> str:
    by_script = bool(evidence.weights.compression or evidence.weights.abstention)
    return call_of(evidence.data.task_type, purpose, by_script=by_script)


def call_of(task_type: str, purpose: ModelCardTexts, *, by_script: bool = False) -> str:
    """How Python asks the registered model."""
    if purpose.is_pipeline and not by_script:
        return 'model.predict(["a text"])'
    row = example_requests(shape_of(task_type))[0]
    return f"model.predict(pandas.DataFrame([{json.dumps(row)}]))"


def _is_finite(estimate: Estimate) -> bool:
    return estimate.value is not None and math.isfinite(estimate.value)


def purpose_of(evidence: Evidence) -> ModelCardTexts:
    """What a model of the line's task type is for.

    Raises:
        EvidenceError: the data are of a task type that nobody describes.

    """
    return _purpose(evidence.data.task_type)


def _purpose(task_type: str) -> ModelCardTexts:
    try:
        return card_texts_of(task_type)
    except SettingsError as error:
        raise EvidenceError(f"the task type of the data is not described: {error}") from error


def short_card(evidence: Evidence, report_url: str) -> str:
    """The card in a few lines, for the version's description in MLflow."""
    page = build_page(evidence)
    head = headline(evidence.line, evidence.version.version, evidence.judgement)
    tiles = markdown_table(
        ("measure", "number", "95% interval", "rests on"),
        [(t.name, t.number, t.interval, t.rests_on) for t in page.tiles],
    )
    closed = [
        f"- {gate.symbol} {plain(gate.name)}: {plain(gate.reason)}"
        for gate in page.gates.not_passed[:_SHOWN_GATES]
    ]
    digests = ", ".join(f"`{page.sources[name].cited}`" for name in ("data", "weights", "scores"))
    last = f"From {digests}. [Report with all evidence]({report_url})"
    first = f"**{head.symbol} {head.title}.** {plain(head.sentence)}"
    text = "\n\n".join(part for part in (first, "\n".join(closed), tiles, last) if part)
    return text if len(text) <= MAX_DESCRIPTION_CHARS else f"{first}\n\n{last}"


def _words(page: Page) -> dict[str, Callable[..., object]]:
    """What the template may call."""

    def cite(*names: str) -> Markup:
        return Markup("(from {})").format(", ".join(page.sources[name].cited for name in names))

    def behind(metric: str) -> Markup:
        return Markup("{}").format(cited(metric, page.sources))

    return {
        "cite": cite,
        "behind": behind,
        "code": _code,
        "number": figures.number,
        "count": figures.count,
        "share": figures.share,
        "duration": figures.duration,
    }


def _code(text: str) -> Markup:
    return Markup("`" + text.replace("`", "'").replace("|", "\\|").replace("\n", " ") + "`")  # noqa: S704  # nosec B704


def _finalized(value: object) -> object:
    return value if isinstance(value, Markup) else plain(str(value))
