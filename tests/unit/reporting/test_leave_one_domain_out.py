"""Domains that were left out on page, card and the run's page."""

from dataclasses import replace

from tasks.records.leave_one_domain_out import Domain, Domains, LeaveOneDomainOut, LeftOut
from tasks.reporting.card import render_card
from tasks.reporting.leave_one_domain_out import (
    largest_drop,
    leave_one_domain_out_markdown,
    leave_one_domain_out_section,
)
from tasks.reporting.metrics import is_better_lower
from tasks.reporting.page import Links, render_page
from tasks.verdicts import undetermined
from tests.unit.reporting.conftest import build_evidence, estimate, with_probes

FAMILY = "leave_one_domain_out.source"
WHY = "9 test rows are of wiki, fewer than 50"


def told(name: str, drop: float) -> LeftOut:
    at = f"{FAMILY}.{name}"
    return LeftOut(
        Domain(name, 400, 50, 200),
        unseen=(estimate(f"{at}.macro_f1", 0.7125, 0.02), estimate(f"{at}.accuracy", 0.75, 0.02)),
        drops=(estimate(f"{at}.macro_f1_drop", drop, 0.02),
               estimate(f"{at}.accuracy_drop", 0.05, 0.02)),
        elsewhere=(estimate(f"{at}.elsewhere.macro_f1_drop", 0.0125, 0.02),
                   estimate(f"{at}.elsewhere.accuracy_drop", 0.01, 0.02)),
    )  # fmt: skip


def untold() -> LeftOut:
    at, names = f"{FAMILY}.wiki", ("macro_f1", "accuracy")
    return LeftOut(
        Domain("wiki", 20, 3, 9, WHY),
        unseen=tuple(undetermined(f"{at}.{one}", 9, WHY) for one in names),
        drops=tuple(undetermined(f"{at}.{one}_drop", 9, WHY) for one in names),
        elsewhere=tuple(undetermined(f"{at}.elsewhere.{one}_drop", 9, WHY) for one in names),
    )


LEFT_OUT = (told("forum", 0.1375), told("<b>shop", 0.0625), untold())
TOLD = LeaveOneDomainOut(
    domains=Domains("source", None, tuple(one.domain for one in LEFT_OUT), 2, 1_600),
    data_sha256="ab" * 32,
    rows=600,
    left_out=LEFT_OUT,
)


def test_nothing_is_said_of_what_was_not_probed() -> None:
    assert leave_one_domain_out_section(None) is None
    assert 'id="left-out-domains"' not in render_page(build_evidence(), Links("", ""))


def test_page_card_and_run_have_each_domain_with_its_numbers() -> None:
    evidence = with_probes(build_evidence(), leave_one_domain_out=TOLD)
    page, card = render_page(evidence, Links("", "")), render_card(evidence)
    run = leave_one_domain_out_markdown(TOLD)
    section = page.split('<section id="left-out-domains"')[1].split("</section>")[0]
    assert "&lt;b&gt;shop" in section
    for caption in ("Macro F1 drop on the domain", "Macro F1 of the model without it",
                    "Accuracy drop elsewhere"):  # fmt: skip
        assert f"<h3>{caption}</h3>" in section
    for text in (section, card, run):
        assert "2 of 3 domains were left out in turn" in text
        assert "2 more were not asked about" in text
        assert WHY in text
        assert "0.1375" in text
    assert "25.0% of 1,600 training rows, 200 test rows" in card


def test_months_are_named_as_such_and_the_largest_drop_leads() -> None:
    months = replace(TOLD, domains=replace(TOLD.domains, column="sold", span="month"))
    assert "By months of sold" in leave_one_domain_out_markdown(months)
    leading = largest_drop(TOLD)
    assert leading is not None
    assert leading.name == f"{FAMILY}.forum.macro_f1_drop"
    assert largest_drop(replace(TOLD, left_out=(untold(),))) is None
    assert is_better_lower(f"{FAMILY}.shop.elsewhere.macro_f1_drop")
