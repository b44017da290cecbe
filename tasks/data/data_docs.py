"""Data Docs: Great Expectations' own rendering of what it found, as one page that stands alone.

Its stock page fetches styles, scripts and a logo from other hosts, so that it is bare without a
network and tells these hosts who looks. The sections here are rendered by it all the same; only
the shell around them is ours.
"""

from collections.abc import Sequence
from pathlib import Path

from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.view import DefaultJinjaPageView

_FOLDER = Path(__file__).parent


def render_page(results: Sequence[ExpectationSuiteValidationResult], snapshot_sha256: str) -> str:
    """HTML of the results of the row rules and of the set rules, one after another."""
    renderer = ValidationResultsPageRenderer()
    documents = [renderer.render(result).to_json_dict() for result in results]
    view = DefaultJinjaPageView(custom_views_directory=str(_FOLDER))
    template = view.env.get_template("data_docs.html")
    return str(template.render(documents=documents, snapshot_sha256=snapshot_sha256))
