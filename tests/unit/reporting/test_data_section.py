"""The data section and the page on the data alone."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from infra.store import Artifact
from tasks.records.data import (
    ControlTokens,
    DoubtfulLabel,
    Histogram,
    SourceChanges,
    SourceRows,
)
from tasks.records.split_shift import SplitShift, SplitShifts
from tasks.reporting.data_section import DataEvidence, build_data_section, drift_row
from tasks.reporting.evidence import Evidence
from tasks.reporting.histograms import histogram_plot
from tasks.reporting.page import render_data_page
from tasks.reporting.summaries import data_verdict_markdown, drift_markdown, funnel_markdown
from tasks.verdicts import Verdict


class Words(HTMLParser):
    """The text of a page, without its styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self._styled = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self._styled = tag == "style"

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._styled = False

    def handle_data(self, data: str) -> None:
        if not self._styled:
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@pytest.fixture
def drifted(passed: Evidence) -> DataEvidence:
    return passed.data_evidence


def test_every_number_of_the_records_stands_on_the_page(drifted: DataEvidence) -> None:
    text = Words(render_data_page(drifted)).text
    for said in (
        "2,227", "because: broken JSON", "near-duplicates (Jaccard 0.8 or more) across splits",
        "share 13 words in a row with benchmark held-out-news", "mail redact 4 6",
        "3 rows spell a control token of the base model",
        "[SEP] 2 [MASK] 1", "0.2137",
        "drift: tech has 16.5% of the rows, before 31.2%", "undetermined: fewer than 50 rows",
        "31.2% 16.5%", "Claxton hunting first major medal", "medal , final",
        "11 rows; at least 30", "actress gender entertainment", "2.371",
        "s3://assayline-artifacts/quarantine/",
    ):  # fmt: skip
        assert said in text, said


def test_what_the_settings_of_the_source_changed_stands_on_the_page(drifted: DataEvidence) -> None:
    changes = SourceChanges(7, {"pos": 12, "old": 0}, ("?",), rows_with_html=5, rows_left_out=31)
    doubtful = DoubtfulLabel("tehc", 3, "like a misspelling", "tech", "source.label_map")
    changed = replace(
        drifted,
        snapshot=replace(drifted.snapshot, changes=changes, rows_read=2258),
        data=replace(drifted.data, doubtful_labels=(doubtful,)),
    )
    text = Words(render_data_page(changed)).text
    for said in (
        "not kept by source.keep_rows 31", "rows with HTML, stripped 5 source.strip_html",
        "labels in another form 7 source.normalise_labels", "labels 'pos', mapped 12",
        "labels 'old', mapped 0 source.label_map no label of the source is written so",
        "different labels that are not mapped 1 source.unmapped_labels put aside: '?'",
        "The label 'tehc' (3 rows) looks like a misspelling of 'tech'; source.label_map.",
    ):  # fmt: skip
        assert said in text, said
    assert "missing for no recorded reason" not in text
    assert "| labels 'pos', mapped | 12 |" in funnel_markdown(changed)
    assert "What the settings of the source changed" not in Words(render_data_page(drifted)).text


def test_rows_of_several_sources_stand_on_the_page(drifted: DataEvidence) -> None:
    by_source = (
        SourceRows("forum", 1.0, 500, 2, 30, 0, {"train": 273, "validation": 14, "test": 40}),
        SourceRows("shop", 3.0, 1727, 0, 0, 17, {"train": 819, "validation": 400, "test": 400}),
    )
    snapshot = replace(drifted.snapshot, by_source=by_source, rows_read=2244)
    several = replace(drifted, snapshot=snapshot)
    text = Words(render_data_page(several)).text
    for said in (
        "beyond the weights of the sources, left out 17",
        "forum 500 2 30 0 273 14 40 25.0% 25.0%",
        "shop 1,727 0 0 17 819 400 400 75.0% 75.0%",
    ):
        assert said in text, said
    assert "| forum | 500 | 2 | 30 |" in funnel_markdown(several)
    assert "Rows by source" not in Words(render_data_page(drifted)).text


BREACH = "94 of 358 rows, 26.26%, were put aside; contract.max_quarantine_share is 0.05"


@pytest.fixture
def broken(drifted: DataEvidence) -> DataEvidence:
    data = replace(
        drifted.data, clean=Artifact("", "", 0), verdict=Verdict.FAIL, breaches=(BREACH,)
    )
    return replace(drifted, data=data, representation=None, drift=None)


def test_the_verdict_stands_at_the_head_of_the_page(
    drifted: DataEvidence, broken: DataEvidence
) -> None:
    kept, text = (Words(render_data_page(one)).text for one in (drifted, broken))
    assert kept.index("Keeps its contract") < kept.index("Where the rows went")
    assert "Against the data of version" in kept
    assert text.index("Breaks its contract") < text.index(BREACH) < text.index("Where the rows")
    assert "Representation" not in text
    assert "Clean rows " not in text.rpartition("Provenance")[2]


def test_the_verdict_on_the_prefect_run_comes_before_its_tables(broken: DataEvidence) -> None:
    shown = data_verdict_markdown(broken, ["data report: /home/ada/reports/chat-data.html"])
    first, breach, report, labels, funnel = (
        shown.index(one)
        for one in ("✗ Breaks its contract", "94 of 358", "chat-data.html", "| label |", "| step |")
    )
    assert first < breach < report < labels < funnel


def test_a_page_without_a_champion_or_findings_says_so(drifted: DataEvidence) -> None:
    assert drifted.representation
    bare = replace(
        drifted,
        drift=None,
        data=replace(drifted.data, personal_data=(), lengths={}, control_tokens=ControlTokens()),
        representation=replace(drifted.representation, groups=(), terms=()),
    )
    text = Words(render_data_page(bare)).text
    assert "Nothing to compare with" in text
    assert "None was found of the kinds that are looked for" in text
    assert "Not looked for: the base model was not known" in text
    assert "No group was found in the rows" in text


def test_the_same_records_give_the_same_page(drifted: DataEvidence) -> None:
    assert render_data_page(drifted) == render_data_page(replace(drifted))


def test_columns_are_shares_of_their_own_histogram() -> None:
    plot = histogram_plot(
        {
            "before": Histogram((0, 1, 2, 4, 8), (0, 30, 10, 0)),
            "now": Histogram((0, 1, 2, 4, 8), (0, 0, 4, 0)),
        }
    )
    assert plot
    (_, before), (_, now) = plot.series
    assert [column.height for column in before] == [75.0, 25.0]
    assert [column.height for column in now] == [0.0, 100.0]
    assert before[0].described == "before: 30 rows (75.0%) from 1.000 to 2.000"
    assert [tick.label for tick in plot.x_ticks] == ["1", "2", "4"]
    assert all(column.x >= 0 and column.x + column.width <= 100 for column in (*before, *now))


def test_no_row_gives_no_plot() -> None:
    assert histogram_plot({"rows": Histogram((0, 1), (0,))}) is None


def test_the_prefect_tables_hold_the_same_numbers(drifted: DataEvidence) -> None:
    funnel = funnel_markdown(drifted)
    assert "| because: broken JSON | 2 | 0.1% |" in funnel
    assert "| mail | redact | 4 | 6 |" in funnel
    assert re.search(r"\| \S*MASK\S* \| text \| 1 \|", funnel)
    assert drifted.drift
    assert "| ✗ fail | label shares |" in drift_markdown(map(drift_row, drifted.drift.checks))


def test_label_shares_are_drawn_on_one_scale(drifted: DataEvidence) -> None:
    drawn = build_data_section(drifted).label_shares
    assert max(max(row[3:]) for row in drawn) == 100.0


def test_the_most_frequent_label_is_drawn_in_full(drifted: DataEvidence) -> None:
    page = render_data_page(drifted)
    classes = page[page.index("Clean rows by label") : page.index("Likeness between rows")]
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%"', classes)][:5]
    rows = list(drifted.data.rows_by_label.values())
    assert widths == [round(100 * n / max(rows), 2) for n in rows]


def test_held_out_rows_unlike_the_training_rows_stand_on_the_page(drifted: DataEvidence) -> None:
    assert drifted.drift
    checks = tuple(
        replace(check, name=check.name.replace("drift.", "shift.test."))
        for check in drifted.drift.checks
    )
    shifted = replace(
        drifted, shifts=SplitShifts((SplitShift("test", checks, {}, Verdict.FAIL),)), drift=None
    )
    text = Words(render_data_page(shifted)).text
    assert "Unlike the training rows: test." in text
    assert "unlike the training rows: tech has 16.5% of the rows" in text
    assert "[0.1981, 0.2291]" in text
    assert "Held-out rows against the training rows" in text
    assert "Held-out rows against" not in Words(render_data_page(drifted)).text
