"""The report in a real browser: it opens from a file, complains of nothing and fits every width."""

import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from tasks.reporting.evidence import Evidence
from tasks.reporting.page import Links, render_page
from tests.unit.reporting.measured import classified, hostile_sections

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here; Debian and Ubuntu: apt-get install chromium"
)
LINKS = Links("http://127.0.0.1:1/version", "http://127.0.0.1:1/docs")
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
MEASURE = (
    "<script>document.title = [innerWidth, document.documentElement.scrollWidth,"
    " getComputedStyle(document.body).backgroundColor].join('|')</script></body>"
)


def open_in_browser(page: Path, *flags: str) -> tuple[str, str]:
    """The page's DOM after loading, and what the browser logged."""
    assert CHROMIUM
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--disable-background-networking", "--enable-logging=stderr", "--dump-dom",
            f"--user-data-dir={page.parent}/profile", *flags, page.as_uri(),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


def test_it_opens_from_a_file_without_a_complaint(escaped: Evidence, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_page(escaped, LINKS), encoding="utf-8")
    dom, log = open_in_browser(page)
    assert "CONSOLE" not in log
    assert "What stands in the way" in dom
    assert "<script" not in dom


def test_every_section_opens_without_a_complaint(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_page(hostile_sections(classified()), LINKS), encoding="utf-8")
    dom, log = open_in_browser(page)
    assert "CONSOLE" not in log
    for section in ("slices", "fairness", "counterfactuals", "training"):
        assert f'<section id="{section}"' in dom
    assert "<script" not in dom


def test_the_browser_reports_what_the_page_must_not_do(refused: Evidence, tmp_path: Path) -> None:
    """Proves that the test above can fail: the page's policy stops a script and says so."""
    page = tmp_path / "report.html"
    page.write_text(render_page(refused, LINKS).replace("</body>", MEASURE), encoding="utf-8")
    _, log = open_in_browser(page)
    assert "CONSOLE" in log


def test_no_width_scrolls_sideways(escaped: Evidence, tmp_path: Path) -> None:
    """In frames, since a window of the browser is never narrower than 500 pixels."""
    widths = (320, 390, 768, 1024, 1360)
    tell = MEASURE.replace("document.title =", "parent.document.title += ' ' +")
    inner = [
        escape(POLICY.sub("", render_page(evidence, LINKS)).replace("</body>", tell))
        for evidence in (escaped, hostile_sections(classified()))
    ]
    frames = [
        f'<iframe width="{width}" style="border:0" srcdoc="{one}"></iframe>'
        for one in inner
        for width in widths
    ]
    page = tmp_path / "frames.html"
    page.write_text(f"<!doctype html><title></title>{''.join(frames)}", encoding="utf-8")
    dom, _ = open_in_browser(page)
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title
    seen = [tuple(map(int, pair)) for pair in re.findall(r"(\d+)\|(\d+)\|", title[1])]
    assert sorted(width for width, _ in seen) == sorted(2 * widths)
    assert [(width, content) for width, content in seen if content > width] == []


def test_it_follows_the_dark_scheme(refused: Evidence, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    html = POLICY.sub("", render_page(refused, LINKS)).replace("</body>", MEASURE)
    page.write_text(html, encoding="utf-8")
    grounds = [
        re.search(r"rgb\([^)]*\)", open_in_browser(page, f"--blink-settings={setting}")[0])
        for setting in ("preferredColorScheme=1", "preferredColorScheme=0")
    ]
    assert [found and found[0] for found in grounds] == ["rgb(246, 247, 249)", "rgb(15, 18, 22)"]
