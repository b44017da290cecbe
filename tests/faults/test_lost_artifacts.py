"""An object that a kept result names, and that somebody deleted from the store."""

from pathlib import Path

import pytest
import yaml

from infra.store import ObjectStore
from tests.conftest import RunningStack

ROWS = "text,label\n" + "".join(
    f"text number {n} is about {topic},{topic}\n" for n in range(80) for topic in ("cats", "dogs")
)


@pytest.mark.slow
def test_what_was_deleted_is_named_and_made_anew_on_request(
    stack: RunningStack, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    config = tmp_path / "lost.yaml"
    settings = {
        "line": "lost-artifact",
        "source": {"format": "csv", "path": "rows.csv"},
        "leakage": {"near_duplicates": False},
        "label_checks": {"spurious": {"refuse_from": None}},
        "tokenization": {"max_length": 16},
    }
    config.write_text(yaml.safe_dump(settings))
    store = ObjectStore(stack.settings)
    before = set(store.list(store.uri("clean", "")))
    first = stack.assayline("run", str(config), "--dry-run")
    assert first.returncode == 0, first.stderr
    (clean,) = set(store.list(store.uri("clean", ""))) - before
    store.delete(clean)
    config.write_text(yaml.safe_dump(settings | {"tokenization": {"max_length": 24}}))
    lost = stack.assayline("run", str(config), "--dry-run")
    assert lost.returncode == 1
    for words in (clean, "does not exist", "assayline run CONFIG --refresh"):
        assert words in lost.stderr
    again = stack.assayline("run", str(config), "--dry-run", "--refresh")
    assert again.returncode == 0, again.stderr
    assert store.exists(clean)
