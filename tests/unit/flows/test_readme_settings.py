"""The settings that the README shows are settings."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config import load_config
from infra.base_models import locate
from infra.errors import BaseModelError

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
(LINE,) = [block for block in BLOCKS if "line" in block]
(POLICY_FILE,) = [block for block in BLOCKS if "gates" in block]
PARTS = [block for block in BLOCKS if "line" not in block and block is not POLICY_FILE]


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "reviews.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_the_line_loads_and_is_made_of_what_is_said(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, LINE))
    assert config.line == "reviews"
    assert len(PARTS) >= 4


@pytest.mark.parametrize("part", PARTS, ids="-".join)
def test_each_part_goes_into_the_line(part: dict[str, Any], tmp_path: Path) -> None:
    whole = LINE | part
    if "sources" in part:
        del whole["source"]
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "strict.yaml").write_text(yaml.safe_dump(POLICY_FILE))
    config = load_config(written(tmp_path, whole))
    for name in part:
        assert getattr(config, "source" if name == "sources" else name)


def test_a_base_model_is_a_folder_beside_the_file_or_an_id_with_its_commit(tmp_path: Path) -> None:
    own, hub = (part for part in PARTS if "base_model" in part)
    reference = own["base_model"]["reference"]
    (tmp_path / reference).mkdir(parents=True)
    found = load_config(written(tmp_path, LINE | own)).base_model
    assert found.reference == str(tmp_path / reference)
    with pytest.raises(BaseModelError, match=r"config\.json"):
        locate(found.reference, found.revision)
    found = load_config(written(tmp_path, LINE | hub)).base_model
    assert found.reference == hub["base_model"]["reference"]
    assert re.fullmatch("[0-9a-f]{40}", found.revision or "")
    with pytest.raises(BaseModelError, match="revision"):
        locate(found.reference, None)
