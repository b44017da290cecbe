from pathlib import Path

import pytest

from tasks.task_types.kept_models import keep_models, kept


class Loader:
    """Counts how often each folder is loaded."""

    def __init__(self) -> None:
        self.loads: list[tuple[Path, str]] = []

        @kept
        def load(folder: Path, kind: str) -> object:
            self.loads.append((folder, kind))
            return object()

        self.load = load


@pytest.fixture
def loader() -> Loader:
    return Loader()


def test_in_the_block_each_folder_is_loaded_once(loader: Loader) -> None:
    with keep_models():
        first, again = (loader.load(Path("a"), "AutoModel") for _ in range(2))
        other = loader.load(Path("b"), "AutoModel")
        assert loader.load(Path("a"), "AutoModelForCausalLM") is not first
    assert first is again
    assert other is not first
    assert len(loader.loads) == 3


def test_outside_of_the_block_nothing_is_kept(loader: Loader) -> None:
    with keep_models():
        inside = loader.load(Path("a"), "AutoModel")
    assert loader.load(Path("a"), "AutoModel") is not inside
    assert loader.load(Path("a"), "AutoModel") is not loader.load(Path("a"), "AutoModel")
    with keep_models():
        assert loader.load(Path("a"), "AutoModel") is not inside
