"""The HTML report: one file, no script, nothing loaded from anywhere."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from tasks.records.registry import Judgement, Staged
from tasks.reporting import number_format as figures
from tasks.reporting.abstention import AbstentionSection, abstention_section
from tasks.reporting.augmentation import AugmentationSection, augmentation_section
from tasks.reporting.bias_aucs import AucTable, auc_table
from tasks.reporting.charts import Bar, Plane, calibration_plane, gate_bar
from tasks.reporting.comparison import ModelComparison, rivals_of, versus
from tasks.reporting.counterfactuals import Counterfactuals, counterfactuals_of
from tasks.reporting.curves import Curve, training_curves
from tasks.reporting.data_section import (
    DataEvidence,
    DataSection,
    build_data_section,
    data_headline,
)
from tasks.reporting.estimates import EstimateRow, EstimateTable, estimate_row, tables_apart
from tasks.reporting.evidence import Evidence, Source, check_evidence, sources_of
from tasks.reporting.explanation import ExplanationSection, explanation_section
from tasks.reporting.gates import SYMBOLS, GateRow, Headline, gate_table, headline
from tasks.reporting.golden import GoldenSection, golden_sections
from tasks.reporting.groups import GroupTable, group_tables, other_estimates
from tasks.reporting.harm import HarmSection, harm_section
from tasks.reporting.language_bias import LanguageBiasSection, language_bias_section
from tasks.reporting.leave_one_domain_out import (
    LeaveOneDomainOutSection,
    leave_one_domain_out_section,
)
from tasks.reporting.looks import LevelRow, fresh_estimates, level_rows, look_sentences
from tasks.reporting.memory import MemorySection, memory_section
from tasks.reporting.mitigation import MitigationSection, mitigation_of, mitigation_section
from tasks.reporting.out_of_distribution import (
    OutOfDistributionSection,
    out_of_distribution_section,
)
from tasks.reporting.power import WHAT_IT_SAYS, PowerRow, power_table
from tasks.reporting.quality import (
    Cell,
    ClassTable,
    class_table,
    confusion_cells,
    frequent_errors,
    is_error,
    overall_estimates,
    rewritten_names,
)
from tasks.reporting.recipe import RECIPE_HEADS, RecipeRow, claimed_of, recipe_rows
from tasks.reporting.robustness import RobustnessSection, robustness_section
from tasks.reporting.slice_calibration import CalibrationRow, calibration_rows
from tasks.reporting.slices import Slices, slices_of
from tasks.reporting.tiles import Tile, key_tiles
from tasks.verdicts import Verdict

TEMPLATE: Final = "report.html.jinja"
DATA_TEMPLATE: Final = "data_page.html.jinja"


@dataclass(frozen=True)
class Links:
    """Where a person opens what the page names; empty where it cannot be opened."""

    version: str
    data_docs: str


@dataclass(frozen=True)
class Gates:
    """The gates with their bars, and those that do not pass."""

    rows: tuple[tuple[GateRow, Bar | None], ...]
    not_passed: tuple[GateRow, ...]


@dataclass(frozen=True)
class Page:
    """All that the template shows beside the records themselves.

    Attributes:
        rewritten: estimates whose names MLflow does not admit, with their names there.

    """

    headline: Headline
    tiles: list[Tile]
    gates: Gates
    versus: dict[str, ModelComparison]
    overall: list[EstimateTable]
    calibration_errors: list[EstimateRow]
    classes: ClassTable
    confusion: tuple[tuple[Cell, ...], ...]
    errors: list[str]
    rewritten: list[tuple[str, str]]
    calibration: Plane
    slices: Slices
    slice_calibration: list[CalibrationRow]
    groups: list[GroupTable]
    other_fairness: list[EstimateTable]
    aucs: AucTable
    counterfactuals: Counterfactuals
    curves: list[Curve]
    data: DataSection
    staging: list[EstimateRow]
    golden: list[GoldenSection]
    sources: dict[str, Source]
    looks: list[str]
    levels: list[LevelRow]
    power: list[PowerRow]
    fresh: list[EstimateTable]
    claimed_of: str
    recipe: list[RecipeRow]
    augmentation: AugmentationSection | None
    mitigation: MitigationSection | None
    robustness: RobustnessSection | None
    language_bias: LanguageBiasSection | None
    memory: MemorySection | None
    harm: HarmSection | None
    explanation: ExplanationSection | None
    abstention: AbstentionSection | None
    out_of_distribution: OutOfDistributionSection | None
    leave_one_domain_out: LeaveOneDomainOutSection | None


def build_page(evidence: Evidence) -> Page:
    """Put the records into the words and marks of the page.

    Raises:
        EvidenceError: the records do not belong together, or an artifact lacks its digest.

    """
    check_evidence(evidence)
    scores, fairness = evidence.scores, evidence.fairness
    overall = overall_estimates(scores)
    return Page(
        headline=headline(evidence.line, evidence.version.version, evidence.judgement),
        tiles=key_tiles(evidence),
        gates=_gates(evidence.judgement),
        versus={
            comparator: versus(comparator, scores, evidence.fairness.estimates)
            for comparator in rivals_of(scores)
        },
        overall=tables_apart([e for e in overall if not is_error(e.name)]),
        calibration_errors=[estimate_row(e) for e in overall if is_error(e.name)],
        classes=class_table(scores),
        confusion=confusion_cells(scores),
        errors=frequent_errors(scores),
        rewritten=rewritten_names(scores),
        calibration=calibration_plane(scores.calibration),
        slices=slices_of(scores),
        slice_calibration=calibration_rows(scores.calibration_by_slice),
        groups=group_tables(fairness),
        other_fairness=other_estimates(fairness),
        aucs=auc_table(fairness),
        counterfactuals=counterfactuals_of(fairness),
        curves=training_curves(evidence.weights),
        data=build_data_section(evidence.data_evidence),
        staging=_staging(evidence.staged),
        golden=golden_sections(evidence.golden),
        sources=sources_of(evidence),
        looks=look_sentences(evidence.judgement),
        levels=level_rows(evidence.judgement),
        power=power_table(evidence.judgement.power),
        fresh=tables_apart(fresh_estimates(evidence.judgement, scores)),
        claimed_of=claimed_of(scores),
        recipe=recipe_rows(scores),
        augmentation=augmentation_section(evidence.augmentation, scores.estimates),
        mitigation=mitigation_section(
            mitigation_of(evidence.tokens, evidence.weights),
            evidence.data.task_type,
            (*scores.measured, *fairness.estimates),
        ),
        robustness=robustness_section(scores.robustness),
        language_bias=language_bias_section(scores.language_bias),
        memory=memory_section(scores.memory),
        harm=harm_section(scores.harm),
        explanation=explanation_section(scores.explanation),
        abstention=abstention_section(scores.abstention),
        out_of_distribution=out_of_distribution_section(scores.out_of_distribution),
        leave_one_domain_out=leave_one_domain_out_section(scores.leave_one_domain_out),
    )


def render_page(evidence: Evidence, links: Links) -> str:
    """The report as HTML; the same records give the same bytes.

    Raises:
        EvidenceError: the records do not belong together, or an artifact lacks its digest.

    """
    page = build_page(evidence)
    return _environment().get_template(TEMPLATE).render(page=page, links=links, evidence=evidence)


def render_data_page(evidence: DataEvidence) -> str:
    """The report on the data alone; the same records give the same bytes."""
    snapshot, data = evidence.snapshot, evidence.data
    artifacts = {
        "Snapshot": snapshot.artifact,
        "Rows that could not be read": snapshot.broken,
        **({"Clean rows": data.clean} if data.clean.uri else {}),
        "Quarantine": data.quarantine,
    }
    section = build_data_section(evidence)
    template = _environment().get_template(DATA_TEMPLATE)
    return template.render(
        section=section, evidence=evidence, artifacts=artifacts, links=None,
        headline=data_headline(evidence),
    )  # fmt: skip


def _gates(judgement: Judgement) -> Gates:
    rows = gate_table(judgement)
    bars = [gate_bar(gate) for gate in judgement.gates]
    not_passed = tuple(row for row in rows if row.verdict != Verdict.PASS.value)
    return Gates(tuple(zip(rows, bars, strict=True)), not_passed)


def _staging(staged: Staged | None) -> list[EstimateRow]:
    return [estimate_row(estimate) for estimate in staged.estimates] if staged else []


def breakable(name: str) -> Markup:
    """A dotted name that may be broken after its dots and underscores alone."""
    return Markup(re.sub(r"([._])", r"\1<wbr>", str(escape(name))))  # noqa: S704 - escaped  # nosec B704


@cache
def _environment() -> Environment:
    """Everything is escaped, whatever the template's name; a missing name is an error."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for write in (
        figures.number, figures.count, figures.share, figures.size, figures.duration,
        figures.words_of, figures.as_written, breakable,
    ):  # fmt: skip
        environment.globals[write.__name__] = write
    environment.globals["recipe_heads"] = RECIPE_HEADS
    environment.globals["power_says"] = WHAT_IT_SAYS
    environment.globals["symbols"] = {verdict.value: sign for verdict, sign in SYMBOLS.items()}
    return environment


def template_of(name: str) -> Template:
    """A template of this folder, for a page that another module makes."""
    return _environment().get_template(name)
