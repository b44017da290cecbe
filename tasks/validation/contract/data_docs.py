"""Data Docs: Great Expectations' own rendering of what it found, as one page that stands alone.

Its stock page fetches styles, scripts and a logo from other hosts, so that it is bare without a
network and tells these hosts who looks. The sections here are rendered by it all the same; only
the shell around them is ours.
"""

import html
import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

_FOLDER = Path(__file__).parent
# Where a rendered document holds text that its view takes for markup.
_PLAIN_TEXT: Final = frozenset({"template", "table", "header_row"})
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def render_page(results: Sequence[ExpectationSuiteValidationResult], snapshot_sha256: str) -> str:
    """HTML of the results of the row rules and of the set rules, one after another."""
    renderer = ValidationResultsPageRenderer()
    documents = [_escaped(renderer.render(result).to_json_dict()) for result in results]
    view = DefaultJinjaPageView(custom_views_directory=str(_FOLDER))
    template = view.env.get_template("data_docs.html")
    page = str(template.render(documents=documents, snapshot_sha256=snapshot_sha256))
    return _with_stable_ids(page)


def _escaped(content: Any, key: str = "") -> Any:
    """The content with no markup in sentences and cells: they name labels, which can be anything.

    Great Expectations escapes what it puts into its sentences, but not these themselves.
    """
    if isinstance(content, dict):
        return {name: _escaped(value, name) for name, value in content.items()}
    if isinstance(content, list):
        return [_escaped(item, key) for item in content]
    return html.escape(content) if isinstance(content, str) and key in _PLAIN_TEXT else content


def _with_stable_ids(page: str) -> str:
    """The same results give the same page: its parts are numbered, not named at random."""
    numbers, ids = count(1), dict[str, str]()
    return _UUID.sub(lambda found: ids.setdefault(found[0], f"part-{next(numbers)}"), page)
