"""A gate on a recipe asks for several trainings of it."""

from pathlib import Path

import pytest
import yaml

from flows.config import load_config
from infra.errors import SettingsError
from tests.integration.test_retrain import readme_config


def write(folder: Path, seeds: int) -> Path:
    gates = [
        {"metric": "recipe.macro_f1", "at_least": 0.7},
        {"metric": "quality.macro_f1", "at_least": 0.7},
        {"metric": "staging.same_predictions", "at_least": 1.0},
    ]
    path = folder / "reviews.yaml"
    (folder / "reviews.csv").write_text("review,stars_label,country\n")
    settings = readme_config() | {"policy": {"gates": gates}, "evaluation": {"seeds": seeds}}
    path.write_text(yaml.safe_dump(settings))
    return path


def test_a_recipe_that_is_trained_once_cannot_be_gated(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"recipe\.macro_f1.*evaluation\.seeds is 1; set it to 2"
    ):
        load_config(write(tmp_path, 1))
    assert load_config(write(tmp_path, 2)).evaluation.seeds == 2
    with pytest.raises(SettingsError, match="seeds"):
        load_config(write(tmp_path, 0))


def test_what_a_candidate_must_prove_is_a_part_of_the_settings(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, 3))
    given = config.proof.model_dump(mode="json", exclude_unset=True)
    again = type(config.proof).model_validate(given)
    assert again == config.proof
    assert again.policy == config.policy
