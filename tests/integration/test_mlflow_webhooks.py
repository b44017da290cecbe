"""Our webhook among those that others registered, on a real MLflow server."""

import httpx
import pytest

from infra.local import mlflow_webhooks
from infra.local.mlflow_webhooks import NAME, ensure_webhook, remove_webhook
from infra.settings import Settings

# MLflow admits public addresses alone; nothing is sent to it, since no alias is moved meanwhile.
OURS = "https://9.9.9.9/mlflow"


def test_ours_is_found_behind_any_number_of_others(
    mlflow_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow lists the newest first, and a page at a time, of two here."""
    monkeypatch.setattr(mlflow_webhooks, "PAGE", 2)
    url = f"{mlflow_settings.mlflow_url}/api/2.0/mlflow/webhooks"

    def others() -> list[str]:
        listed = httpx.get(url, params={"max_results": 1000}).raise_for_status().json()
        return [hook["name"] for hook in listed.get("webhooks", ())]

    assert ensure_webhook(mlflow_settings, OURS, "s" * 32)
    events = [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]
    with httpx.Client() as client:
        for number in range(5):
            made = {"name": f"team-{number}", "url": OURS, "events": events, "status": "DISABLED"}
            client.post(url, json=made).raise_for_status()
    assert ensure_webhook(mlflow_settings, OURS, "t" * 32)
    assert others().count(NAME) == 1
    remove_webhook(mlflow_settings)
    assert others().count(NAME) == 0
    assert len(others()) == 5
