"""A line's settings and its policy as their YAML files have them: nothing is checked yet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from infra.errors import SettingsError
from infra.yaml_files import parse_yaml

# Settings of the probes that each hold the path of one file.
_FILES_OF_PROBES: Final = {
    "out_of_distribution": ("path",),
    "language_bias": ("crows_pairs", "stereoset"),
    "harm": ("prompts", "lexicon", "refusals"),
}
# Of sets of stereotypes that are several files.
_FILES_OF_SETS: Final = ("pro", "anti", "sentences", "occupations", "templates", "lexicon")


class PolicyOfFile(dict[str, Any]):
    """A policy that stands in a file of its own, which its errors name."""

    file = ""


def read_settings(path: Path) -> dict[str, Any]:
    """What a line's file holds, with local paths made absolute.

    Where `policy` is a path, the policy is what that file holds.

    Raises:
        SettingsError: a file is missing, or is no YAML mapping.

    """
    content = _read_mapping(path, "settings", "line: my-line")
    folder = path.absolute().parent
    if isinstance(policy := content.get("policy"), str):
        content["policy"] = PolicyOfFile(read_policy_file(folder / Path(policy).expanduser()))
        content["policy"].file = policy
    _anchor_paths(content, folder)
    return content


def read_policy_file(path: Path) -> dict[str, Any]:
    """What a policy file holds, which is not checked yet.

    Raises:
        SettingsError: the file is missing, or is no YAML mapping.

    """
    return _read_mapping(path, "policy", "gates: [...]")


def _read_mapping(path: Path, what: str, example: str) -> dict[str, Any]:
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"), keep_misread=True)
    except FileNotFoundError as error:
        raise SettingsError(f"no {what} file at {path.absolute()}") from error
    except (UnicodeDecodeError, yaml.YAMLError, OSError) as error:
        raise SettingsError(f"{path} is no readable YAML file: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold {what} such as `{example}`; it holds none")
    return content


def _anchor_paths(content: dict[str, Any], folder: Path) -> None:
    """Make the local paths of sources, lists, rationales, base models and teacher absolute."""
    leakage = content.get("leakage")
    for source in _sources_in(content):
        if "package" not in source:
            _anchor(source, "path", folder)
        if str(source.get("dataset", "")).startswith("."):
            _anchor(source, "dataset", folder)
    for benchmark in (leakage.get("benchmarks") or []) if isinstance(leakage, dict) else []:
        if isinstance(benchmark, dict):
            _anchor(benchmark, "path", folder)
    _anchor_word_files(content.get("counterfactuals"), folder)
    _anchor_swaps(content.get("augmentation"), folder)
    _anchor_probe_files(content.get("probes"), folder)
    _anchor_rationales(content.get("explanation"), folder)
    base_model = content.get("base_model")
    if isinstance(base_model, dict) and isinstance(base_model.get("reference"), str):
        base_model["reference"] = anchored_model(base_model["reference"], folder)
    _anchor_teacher(content.get("distillation"), folder)
    _anchor_tried(content.get("sweep"), folder)
    _anchor_candidates(content.get("choose"), folder)


def _anchor_probe_files(probes: Any, folder: Path) -> None:
    """Files of texts, sentences, questions, prompts and terms: one path, or a list of them."""
    for section, names in _FILES_OF_PROBES.items():
        settings = probes.get(section) if isinstance(probes, dict) else None
        if isinstance(settings, dict):
            for name in names:
                _anchor(settings, name, folder)
    settings = probes.get("language_bias") if isinstance(probes, dict) else None
    if not isinstance(settings, dict):
        return
    _anchor_pairs(settings, folder)
    for name in ("bbq", "cbbq"):
        paths = settings.get(name)
        if isinstance(paths, list):
            named = [{"path": path} for path in paths]
            for one in named:
                _anchor(one, "path", folder)
            settings[name] = [one["path"] for one in named]


def _anchor_pairs(settings: dict[str, Any], folder: Path) -> None:
    """Sets of stereotypes that are several files each."""
    listed = settings.get("winobias")
    several = listed if isinstance(listed, list) else []
    for one in (*several, settings.get("winogender"), settings.get("honest")):
        for name in _FILES_OF_SETS if isinstance(one, dict) else ():
            _anchor(one, name, folder)


def _anchor_candidates(settings: Any, folder: Path) -> None:
    """Base models to choose from, each a reference or a mapping that holds one."""
    candidates = settings.get("candidates") if isinstance(settings, dict) else None
    if not isinstance(candidates, list):
        return
    for place, one in enumerate(candidates):
        if isinstance(one, str):
            candidates[place] = anchored_model(one, folder)
        elif isinstance(one, dict) and isinstance(one.get("reference"), str):
            one["reference"] = anchored_model(one["reference"], folder)


def anchored_model(reference: str, folder: Path) -> str:
    """A folder or a file as an absolute path; the id on a hub, or a package, as it is."""
    local = folder / Path(reference).expanduser()
    return str(local) if ":" not in reference and local.exists() else reference


def _anchor_tried(sweep: Any, folder: Path) -> None:
    """Base models that a sweep tries; of a whole section each choice may name one."""
    space = sweep.get("space") if isinstance(sweep, dict) else None
    for name, swept in space.items() if isinstance(space, dict) else ():
        choices = swept.get("choices") if isinstance(swept, dict) else swept
        if not isinstance(choices, list):
            continue
        for place, choice in enumerate(choices):
            if name == "base_model.reference" and isinstance(choice, str):
                choices[place] = anchored_model(choice, folder)
            elif name == "base_model" and isinstance(choice, dict) and "reference" in choice:
                choice["reference"] = anchored_model(str(choice["reference"]), folder)


def _sources_in(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The source, or each of several, as the file has them."""
    source = content.get("source")
    several = source.get("sources") if isinstance(source, dict) else content.get("sources")
    all_ = [source, *(several.values() if isinstance(several, dict) else ())]
    return [one for one in (*all_, *_golden_sources_in(content)) if isinstance(one, dict)]


def _golden_sources_in(content: dict[str, Any]) -> Iterator[Any]:
    """The sources of golden sets and behaviour suites, as the file has them."""
    evaluation = content.get("evaluation")
    sets = evaluation if isinstance(evaluation, dict) else {}
    golden, suites = (
        found if isinstance(found := sets.get(kind), dict) else {}
        for kind in ("golden", "behaviour")
    )
    yield from golden.values()
    yield from (one.get("source") for one in suites.values() if isinstance(one, dict))


def _anchor_word_files(settings: Any, folder: Path) -> None:
    """A shipped list is named by a bare word; a file has an ending."""
    for key in ("swaps", "templates") if isinstance(settings, dict) else ():
        if isinstance(names := settings.get(key), list):
            settings[key] = [
                str(folder / Path(name).expanduser())
                if isinstance(name, str) and Path(name).suffix
                else name
                for name in names
            ]


def _anchor_swaps(settings: Any, folder: Path) -> None:
    """Swap lists of augmentation are named as those of the counterfactuals are."""
    if isinstance(settings, dict):
        _anchor_word_files(settings.get("counterfactual"), folder)


def _anchor_rationales(settings: Any, folder: Path) -> None:
    """The file of the rationales lies beside the line's, if nothing else is said."""
    rationales = settings.get("rationales") if isinstance(settings, dict) else None
    if isinstance(rationales, dict):
        _anchor(rationales, "path", folder)


def _anchor_teacher(settings: Any, folder: Path) -> None:
    """A teacher in an installed package has no place here."""
    teacher = settings.get("teacher") if isinstance(settings, dict) else None
    if isinstance(teacher, dict) and ":" not in str(teacher.get("folder", "")):
        _anchor(teacher, "folder", folder)


def _anchor(settings: dict[str, Any], name: str, folder: Path) -> None:
    if isinstance(settings.get(name), str) and "://" not in settings[name]:
        settings[name] = str(folder / Path(settings[name]).expanduser())
