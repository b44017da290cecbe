"""Each way in which an interval is made, and each family of gates, has a world of known truth."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

import numpy as np
import pytest

from flows.config import load_config
from flows.gate_names import measurable_of
from tasks.abstention.settings import AbstentionSettings
from tasks.augmentation.settings import AugmentationSettings
from tasks.compression.settings import CompressionSettings
from tasks.drift import split_shift
from tasks.explanation.settings import ExplanationSettings
from tasks.mitigation.settings import MitigationSettings
from tasks.probes.settings import ProbeSettings
from tasks.training.distillation.settings import DistillationSettings
from tests.simulation.__main__ import SCENARIOS
from tests.simulation.creep_worlds import WITH_ANCHOR
from tests.simulation.estimators import FAMILIES, NOT_SHOWN, SHOWN_BY, makers_of_intervals
from tests.simulation.looks_worlds import GATE

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "tasks"
INT8 = CompressionSettings(method="onnx_int8")
WORLDS = {scenario.name: scenario for scenario in SCENARIOS}


def test_no_two_worlds_have_one_name() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert sorted(names) == sorted(set(names))


def test_every_function_that_makes_an_interval_has_a_world_or_a_reason() -> None:
    made = makers_of_intervals(TASKS)
    assert not SHOWN_BY.keys() & NOT_SHOWN.keys()
    missing = made - SHOWN_BY.keys() - NOT_SHOWN.keys()
    assert not missing, f"add a world of known truth to tests/simulation for {sorted(missing)}"
    gone = (SHOWN_BY.keys() | NOT_SHOWN.keys()) - made
    assert not gone, f"these make no interval any more: {sorted(gone)}"


def test_a_new_maker_of_intervals_is_seen(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "new.py").write_text(
        "def outer():\n    def inner():\n        return Estimate(1)\n    return inner\n"
        "class One:\n    def told(self):\n        return self.question.answered(0.5)\n"
        "def other():\n    return estimates(1)\n"
    )
    assert makers_of_intervals(tmp_path) == {"room.new.outer.inner", "room.new.One.told"}


@pytest.mark.parametrize("made", [*SHOWN_BY.values(), *FAMILIES.values()], ids=" ".join)
def test_each_world_of_the_tables_tells_its_estimate(made: tuple[str, str]) -> None:
    world, estimate = made
    assert estimate in WORLDS[world].truths
    assert estimate not in WORLDS[world].untold


def test_every_family_of_gates_has_a_world() -> None:
    """Of a line with all of them; years of looks and of creep are apart."""
    config = load_config(ROOT / "configs" / "bbc-news.yaml")
    sets = {"golden": {"team": None}, "behaviour": {"suite": None}}
    evaluation = config.evaluation.model_copy(update=sets)
    taught = DistillationSettings.model_validate({"teacher": {"line": "large"}})
    swapped = AugmentationSettings.model_validate({"word_swap": {"share": 0.1}})
    more = {
        "evaluation": evaluation,
        "distillation": taught,
        "augmentation": swapped,
        "mitigation": MitigationSettings.model_validate({"reweighing": {"attribute": "gender"}}),
        "compression": INT8,
        "probes": ProbeSettings.model_validate(
            {
                "robustness": {},
                "language_bias": {"crows_pairs": "/pairs.csv"},
                "out_of_distribution": {"path": "/ood.txt"},
                "memory": {},
                "leave_one_domain_out": {"column": "gender"},
                "harm": {"prompts": "/p.jsonl", "lexicon": "/l.txt"},
            }
        ),
        "explanation": ExplanationSettings(),
        "abstention": AbstentionSettings(),
    }
    asked = config.model_copy(update=more)
    assert {one.family for one in measurable_of(asked)} == FAMILIES.keys()
    assert {GATE.family} == {"champion"}
    assert {gate.family for gate in WITH_ANCHOR} == {"champion", "anchor"}
    shifts = {name for world in WORLDS.values() for name in world.truths if name[:6] == "shift."}
    assert split_shift.shift_name("test", "drift.vocabulary") in shifts


@contextmanager
def called() -> Iterator[set[CodeType]]:
    """What is called meanwhile."""
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            seen.add(frame.f_code)

    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(None)


@pytest.mark.slow
@pytest.mark.parametrize("world", sorted({world for world, _ in SHOWN_BY.values()}))
def test_the_world_of_a_function_calls_it(world: str) -> None:
    with called() as seen:
        list(WORLDS[world].estimates(np.random.default_rng(0)))
    reached = {
        ".".join((*Path(code.co_filename).relative_to(TASKS).with_suffix("").parts, name))
        for code in seen
        if Path(code.co_filename).is_relative_to(TASKS)
        for name in (code.co_qualname.replace(".<locals>", ""),)
    }
    shown = {function for function, (name, _) in SHOWN_BY.items() if name == world}
    assert shown <= reached
