"""The key of every stage: it changes with each module that the stage reaches, and with no other."""

import hashlib
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra import code_digest, module_source
from infra.code_digest import CANNOT_SHAPE, Code, code_of
from infra.module_source import PROJECT_PACKAGES, ROOT
from tasks.stages.caching import stage_key
from tests.stages import cached_stages

STAGES = cached_stages()
# As it reads a module for the first time.
READ = module_source.read_source.__wrapped__
# What a line of classification chooses.
CHOICES = {"task_type": "classification", "format": "csv", "architecture": "bert"}
CHANGE = b"\nCHANGED = 1\n"
# One in so many modules is changed for each stage that reaches it.
FOR_ALL_STAGES = 20


class Sources:
    """A copy of the project, from which keys are made; a module is read again once it changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, Any] = {}
        for package in PROJECT_PACKAGES:
            skipped = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, folder / package, ignore=skipped)

    def read(self, module: str) -> Any:
        """As the module reads it, but for what it remembers."""
        if module not in self._read:
            self._read[module] = READ(module)
        return self._read[module]

    @contextmanager
    def all_changed_but(self, modules: Collection[str]) -> Iterator[None]:
        """Give every module another meaning for a while, but for these."""
        read, module_root = self._read, module_source.ROOT
        self._read = {name: read[name] for name in modules}
        module_source.ROOT = self._copied_with_a_change()  # type: ignore[misc]
        module_source.file_of.cache_clear()
        yield
        self._read, module_source.ROOT = read, module_root  # type: ignore[misc]
        module_source.file_of.cache_clear()

    def _copied_with_a_change(self) -> Path:
        """Once, since to write all files for each stage would take seconds each time."""
        folder = self.folder / "changed"
        if not folder.exists():
            for path in modules_of(self.folder).values():
                copy = folder / path.relative_to(self.folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes() + CHANGE)
        return folder

    @contextmanager
    def changed(self, files: Mapping[str, Path]) -> Iterator[None]:
        """Give modules and other files another meaning for a while, by name."""
        before = {path: path.read_bytes() for path in files.values()}
        read = {name: self._read.pop(name) for name in files if name in self._read}
        for path, content in before.items():
            path.write_bytes(content + CHANGE)
        yield
        for path, content in before.items():
            path.write_bytes(content)
        for name in files:
            self._read.pop(name, None)
        self._read |= read


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    """The project's sources, to be changed."""
    copied = Sources(tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module_source, "ROOT", copied.folder)
        patch.setattr(module_source, "read_source", copied.read)
        module_source.file_of.cache_clear()
        yield copied
    module_source.file_of.cache_clear()


def modules_of(folder: Path) -> dict[str, Path]:
    """Every module by name."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path
        for package in PROJECT_PACKAGES
        for path in (folder / package).rglob("*.py")
    }


def data_files_of(folder: Path) -> dict[str, Path]:
    """Every other file by its path."""
    return {
        path.relative_to(folder).as_posix(): path
        for package in PROJECT_PACKAGES
        for path in (folder / package).rglob("*")
        if path.is_file() and path.suffix != ".py"
    }


def of_stage(stage: tuple[str, str]) -> Code:
    return code_of(*stage, CHOICES)


def test_all_stages_are_found() -> None:
    assert {name for _, name in STAGES} == {
        "ingest", "validate", "check_labels", "represent", "measure_drift", "measure_split_shift",
        "count_held_out", "build_base_model", "build_student", "tokenize", "train", "plan",
        "scale_temperature",
        "name_held_out", "evaluate", "find_label_errors", "measure_recipe", "assess",
        "score_counterfactuals", "register", "stage", "ingest_golden", "evaluate_golden",
        "write_report", "write_data_report", "take_layers", "ask_teacher", "ask_reference",
        "evaluate_validation",
        "time_trial", "find_worst_group", "compress", "augment", "reweigh",
        "tell_groups", "remove_attribute",
        "measure_augmentation", "probe_base_model", "probe_robustness",
        "check_validation_rows", "fit_abstention", "measure_abstention",
        "probe_out_of_distribution",
        "probe_language_bias", "prune", "explain", "plant_canaries", "cut_for_shadow",
        "probe_memory", "find_domains", "cut_domain", "probe_domains", "probe_harm",
        "find_translated_languages", "back_translate",
    }  # fmt: skip


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage[1])
def test_a_change_in_what_a_stage_does_not_reach_leaves_its_key(
    sources: Sources, stage: tuple[str, str]
) -> None:
    code = of_stage(stage)
    files = data_files_of(sources.folder)
    unreached = {name: path for name, path in files.items() if name not in code.files}
    assert len(modules_of(sources.folder)) - len(code.modules) + len(unreached) > 100
    with sources.changed(unreached), sources.all_changed_but(code.modules):
        assert of_stage(stage) == code


def test_a_change_in_all_modules_but_one_is_seen(sources: Sources) -> None:
    stage = STAGES[0]
    code = of_stage(stage)
    left = max(code.modules.keys() - {stage[0]})
    with sources.all_changed_but(code.modules.keys() - {left}):
        assert of_stage(stage) != code
    assert of_stage(stage) == code


@pytest.fixture(scope="module")
def tried(sources: Sources) -> dict[tuple[str, str], set[str]]:
    """Modules and files that are changed for each stage: each of them for one, and some for all.

    Some sixty stages reach hundreds of modules each, by one and the same rule.
    """
    reached: dict[str, list[tuple[str, str]]] = {}
    for stage in STAGES:
        code = of_stage(stage)
        for name in code.modules.keys() | code.files.keys():
            if name != stage[0]:  # of the stage's own module a part counts, which other tests hold
                reached.setdefault(name, []).append(stage)
    chosen: dict[tuple[str, str], set[str]] = {stage: set() for stage in STAGES}
    for name, stages in reached.items():
        drawn = int(hashlib.sha256(name.encode()).hexdigest(), 16)
        chosen[stages[drawn % len(stages)]].add(name)
        for stage in stages if drawn % FOR_ALL_STAGES == 0 else ():
            chosen[stage].add(name)
    return chosen


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage[1])
def test_a_change_in_a_module_or_file_that_a_stage_reaches_changes_its_key(
    sources: Sources, tried: dict[tuple[str, str], set[str]], stage: tuple[str, str]
) -> None:
    code = of_stage(stage)
    every = modules_of(sources.folder) | data_files_of(sources.folder)
    for name in tried[stage]:
        with sources.changed({name: every[name]}):
            assert of_stage(stage).digest != code.digest, name


def test_each_module_that_a_stage_reaches_is_changed_for_one(
    tried: dict[tuple[str, str], set[str]],
) -> None:
    reached = {name for stage in STAGES for name in of_stage(stage).modules}
    assert reached - {stage[0] for stage in STAGES} <= set().union(*tried.values())


def test_a_key_depends_on_name_arguments_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    place = ("tasks.stages.drift", "measure_drift")
    first = stage_key(*place, {"seed": 0})
    assert first == stage_key(*place, {"seed": 0})
    assert first != stage_key(*place, {"seed": 1})
    assert first != stage_key("tasks.stages.registry", "stage", {"seed": 0})
    monkeypatch.setattr(code_digest, "_version_of", lambda _: "0.0.1")
    assert first != stage_key(*place, {"seed": 0})


@pytest.mark.parametrize(
    ("stage", "module"),
    [
        # Each was left out of a list that was kept by hand.
        ("ingest", "tasks.protected_groups.group_names"),
        ("represent", "tasks.verdicts"),
        ("evaluate", "infra.device"),
        ("validate", "infra.base_models"),
        ("validate", "tasks.task_types.tokenizers"),
        ("write_data_report", "tasks.task_types.rows"),
        ("train", "tasks.training.rank_process"),
        ("stage", "infra.serving_process"),
        ("stage", "infra.artifact_manifest"),
    ],
)
def test_what_a_list_by_hand_forgot_is_reached(stage: str, module: str) -> None:
    assert module in of_stage(next(one for one in STAGES if one[1] == stage)).modules


@pytest.mark.parametrize(
    ("stage", "prefix"),
    [
        ("ingest", "tasks.drift"),
        ("represent", "tasks.sources"),
        ("measure_drift", "tasks.validation"),
        ("train", "tasks.reporting"),
        ("train", "tasks.evaluation"),
        ("train", "tasks.task_types.served"),
        ("evaluate", "tasks.task_types.served"),
        ("evaluate", "tasks.training"),
        ("assess", "tasks.evaluation"),
        *((stage[1], module) for stage in STAGES for module in CANNOT_SHAPE),
    ],
)
def test_what_cannot_shape_a_result_is_not_reached(stage: str, prefix: str) -> None:
    reached = of_stage(next(one for one in STAGES if one[1] == stage)).modules
    assert not [name for name in reached if f"{name}.".startswith(f"{prefix}.")]


def test_word_lists_and_pages_count_for_those_who_read_them() -> None:
    files = {stage[1]: set(of_stage(stage).files) for stage in STAGES}
    assert "tasks/protected_groups/terms/gender.csv" in files["represent"] & files["assess"]
    assert "tasks/reporting/report.css" in files["write_report"]
    assert "tasks/protected_groups/swaps/gendered_words.csv" in files["score_counterfactuals"]
    assert not files["train"] | files["ingest"] | files["evaluate"]
