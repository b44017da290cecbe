"""What is shown on the page of a run, where no Prefect server answers."""

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.stages.page_artifacts import show_link, show_markdown, show_progress

pytestmark = pytest.mark.filterwarnings("ignore:Artifact creation outside of a flow")


def test_a_server_that_is_gone_costs_what_is_shown_and_not_the_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):  # the discard port
        assert show_markdown("## Gates", "gates", "Gates of news") is None
        assert show_link("http://127.0.0.1/report", "report", "report", "The report") is None
        move = show_progress("training-progress-news")
        move(50.0, "half of it")
    said = [record.message for record in caplog.records if "does not show" in record.message]
    assert len(said) == 3  # what was never shown is not moved either
    assert "Gates of news (" in said[0]
