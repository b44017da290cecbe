"""A run that is started by hand in Prefect's own page, by the form of a deployment."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.prefect_api import PrefectApi
from tests.chromium import CHROMIUM, Page, browser, with_words
from tests.conftest import RunningStack
from tests.integration.test_retrain import write_config, write_reviews

LINE = "reviews-by-form"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


def submit(page: Page, address: str) -> None:
    """Open the form of a deployment, and start a run of it as it stands."""
    page.open(address)
    page.wait_for("Parameters")
    page.click(with_words("button", "Submit"))
    page.until(
        "location.pathname.includes('/runs/flow-run/') || !location.pathname.endsWith('/run')"
    )


@pytest.mark.parametrize("flow", ["monitor", "watch-source"])
def test_settings_that_the_form_shows_as_json_start_a_run_as_they_stand(
    stack: RunningStack, tmp_path: Path, flow: str
) -> None:
    write_reviews(stack.folder / "reviews.csv")
    config = write_config(stack.folder, "by-form.yaml", line=LINE)
    done = stack.assayline("run", str(config), "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    api = PrefectApi(stack.settings)
    deployment = api.deployments()[f"{flow}/{LINE}"]
    pages = json.loads(stack.assayline("open", "--json").stdout)
    (prefect,) = [page for page in pages if page["server"] == "prefect"]
    with browser(tmp_path / "profile") as page:
        page.open(prefect["opens"])
        page.until("location.protocol === 'http:'")
        page.wait_for("Work Pools")
        submit(page, f"{prefect['address']}/deployments/deployment/{deployment.id}/run")
        page.picture(tmp_path / "started.png")
    started = [run for run in _runs(api, str(deployment.id)) if not run["auto_scheduled"]]
    assert [run["parameters"]["config"] for run in started] == [deployment.parameters["config"]]


def _runs(api: PrefectApi, deployment: str) -> list[dict[str, Any]]:
    body = {"deployments": {"id": {"any_": [deployment]}}}
    return list(api._pages("/flow_runs/filter", body))
