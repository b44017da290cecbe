"""`assayline open` in a real browser: both pages are there, and nothing asks for a password."""

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.conftest import RunningStack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NO_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")


def seen(address: str, profile: Path) -> str:
    """The words of a page, once it has loaded and run its scripts."""
    assert CHROMIUM
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
            "--virtual-time-budget=20000", "--dump-dom", address,
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    page = re.sub(r"<(script|style).*?</\1>", "", done.stdout, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def opened(stack: RunningStack) -> dict[str, str]:
    shown = stack.assayline("open", "--json")
    assert shown.returncode == 0, shown.stderr
    return {page["server"]: page["opens"] for page in json.loads(shown.stdout)}


def test_what_the_browser_is_given_holds_no_password(stack: RunningStack) -> None:
    for address in opened(stack).values():
        assert stack.login[1] not in address  # it stands in the browser's command line
        file = Path(address.removeprefix("file://"))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.slow
@NO_CHROMIUM
def test_both_pages_open_logged_in(stack: RunningStack, tmp_path: Path) -> None:
    pages = opened(stack)
    prefect = seen(pages["prefect"], tmp_path / "one")
    assert "assayline 0 total" in prefect or "Work Pools assayline" in prefect
    mlflow = seen(pages["mlflow"], tmp_path / "two")
    assert "Model training" in mlflow
    # In a browser that was not given the login they show nothing.
    plain = str(stack.settings.prefect_url).removesuffix("/api")
    assert "Work Pools assayline" not in seen(plain, tmp_path / "three")
    assert "Model training" not in seen(str(stack.settings.mlflow_url), tmp_path / "three")
