"""What `assayline explain` refuses before any server is asked."""

from pathlib import Path

import pytest

from flows.commands.explain_command import explain
from infra.errors import SettingsError


def test_a_text_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"the text 'a\\udcff' is no UTF-8"):
        explain("reviews", "a\udcff")


def test_a_page_without_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--html is .*why\.html, and there is no folder"):
        explain("reviews", "a", html=tmp_path / "none" / "why.html")
