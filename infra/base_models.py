"""Base models: the folder that a reference points to, what it must hold, and its digests.

transformers reads whatever it knows in a folder. So a model is never loaded from the folder that
was named, but from one of links to the files that are listed here, and so are in its digests.
"""

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from infra import gguf_models
from infra.errors import BaseModelError, NotAtHandError
from infra.onnx_files import ONNX_FILE
from infra.settings import load_settings
from infra.store import MANIFEST, Artifact, ObjectStore, open_store, sha256_of_file
from infra.transformers_logs import quiet_transformers

PACKAGE_PREFIX = "package:"
STORE_PREFIX = "s3://"
CONFIG_FILE = "config.json"
# How a model that writes does so: number of beams, what it starts and ends with.
GENERATION_FILE = "generation_config.json"
WEIGHTS_FILE = "model.safetensors"
WEIGHTS_INDEX_FILE = "model.safetensors.index.json"
TOKENIZER_FILES = (
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
# One of these alone is enough to build a fast tokenizer from.
VOCABULARY_FILES = frozenset(TOKENIZER_FILES) - {
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer_config.json",
}
# Each of these makes transformers import and run code that comes with the model.
CODE_KEYS = frozenset({"auto_map", "custom_pipelines", "custom_generate"})
# Of these the value can name a repository of kernels, which are compiled code.
KERNEL_KEY_END = "_implementation"
ADAPTER_FILE = "adapter_config.json"


@dataclass(frozen=True)
class Fingerprint:
    """What a base model is, whatever its address.

    Attributes:
        sha256: hex digest over the names and bytes of its configuration and weights.
        tokenizer_sha256: the same over the files that shape tokenization.

    """

    sha256: str
    tokenizer_sha256: str


def locate(reference: str, revision: str | None) -> Path:
    """The local folder of a base model, which holds the files of its digests and no other.

    Args:
        reference: ``package:NAME/FOLDER`` inside an installed package, a local folder, the id of a
            model on the Hugging Face hub, or the address of a folder in the store; of the first
            three also with ``/FILE.gguf`` behind them, which is unpacked into a folder.
        revision: the commit hash on the hub, or the SHA-256 of the folder's manifest; needed for
            these two, and without meaning elsewhere.

    Raises:
        BaseModelError: there is no such folder, the hub cannot be reached, or the folder lacks its
            configuration, weights or tokenizer, or would run code when it is loaded.

    """
    if reference.endswith(gguf_models.SUFFIX):
        file = _gguf_file(reference, revision)
        folder = gguf_models.folder_of(file)
        if not folder.is_dir():
            with quiet_transformers():
                gguf_models.unpack(file, folder)
    elif reference.startswith(STORE_PREFIX) and revision:
        folder = fetch_stored(open_store(), reference, revision)
    else:
        wanted = (CONFIG_FILE, GENERATION_FILE, "*.safetensors", WEIGHTS_INDEX_FILE)
        folder = _find_folder(reference, revision, (*wanted, *TOKENIZER_FILES))
    return _listed_alone(folder)


def _listed_alone(folder: Path) -> Path:
    """A folder of links to the listed files, by their names and places.

    It is made once, and made again where anything in it is not as it was made.
    """
    listed = {file.name: file.resolve() for files in files_of(folder) for file in files}
    places = "\n".join(f"{name}\0{place}" for name, place in sorted(listed.items()))
    key = hashlib.sha256(places.encode()).hexdigest()
    alone = load_settings().home.absolute() / "base-models" / f"listed-{key}"
    if not _holds_only(alone, listed):
        alone.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=alone.parent, prefix=".new-") as scratch:
            made = Path(scratch) / "model"
            made.mkdir()
            for name, place in listed.items():
                (made / name).symlink_to(place)
            shutil.rmtree(alone, ignore_errors=True)
            try:
                made.rename(alone)
            except OSError:
                if not _holds_only(alone, listed):  # else another process was faster
                    raise
    return alone


def _holds_only(folder: Path, listed: dict[str, Path]) -> bool:
    if not folder.is_dir():
        return False
    found = {path.name: path.readlink() for path in folder.iterdir() if path.is_symlink()}
    return found == listed and len(list(folder.iterdir())) == len(listed)


def fetch_stored(store: ObjectStore, uri: str, manifest_sha256: str) -> Path:
    """The local copy of a base model in the store, made once on each machine.

    Raises:
        StoreError: it is not there, or not what was written.

    """
    folder = load_settings().home.absolute() / "base-models" / manifest_sha256
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=".new-") as scratch:
            whole = store.get_folder(Artifact(uri, manifest_sha256, 0), Path(scratch) / "model")
            try:
                whole.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was faster
                    raise
    return folder


def kept_or_made(
    store: ObjectStore, uri: str, make: Callable[[], Artifact]
) -> tuple[Artifact, Fingerprint]:
    """A base model at an address that is a digest of what it is made from, made where it is not.

    Args:
        store: of the base model.
        uri: of its folder.
        make: writes that folder.

    Raises:
        BaseModelError: what was made is no base model.
        StoreError: the store cannot be reached, or holds another folder than was written.

    """
    if store.exists(f"{uri}/{MANIFEST}"):
        manifest = store.get_bytes(f"{uri}/{MANIFEST}")
        artifact = Artifact(uri, hashlib.sha256(manifest).hexdigest(), len(manifest))
    else:
        artifact = make()
    return artifact, fingerprint(fetch_stored(store, artifact.uri, artifact.sha256))


def locate_pinned(reference: str, revision: str | None, pinned: Fingerprint) -> Path:
    """The local folder of a base model that was pinned before.

    Raises:
        BaseModelError: as `locate`, and where its files are no longer those that were pinned.

    """
    folder = locate(reference, revision)
    if fingerprint(folder) != pinned:
        raise BaseModelError(
            f"the files of base model {reference!r} changed while the run was going on; run again"
        )
    return folder


def fingerprint(folder: Path) -> Fingerprint:
    """Digests of a base model's files.

    Raises:
        BaseModelError: configuration, weights or tokenizer are missing or cannot be read.

    """
    model, tokenizer = files_of(folder)
    return Fingerprint(_digest(model), _digest(tokenizer))


def files_of(folder: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The files of configuration and weights, and those of the tokenizer.

    Raises:
        BaseModelError: some are missing or cannot be read, and the message names all that are
            missing; or there is what would run code or change the weights when they are loaded.

    """
    tokenizer = tuple(folder / name for name in TOKENIZER_FILES if (folder / name).is_file())
    weights = _weight_files(folder)
    missing = []
    if not (folder / CONFIG_FILE).is_file():
        missing.append(f"configuration ({CONFIG_FILE})")
    if not weights:
        missing.append(f"weights ({WEIGHTS_FILE})")
    if not any(path.name in VOCABULARY_FILES for path in tokenizer):
        missing.append("tokenizer (tokenizer.json or a vocabulary)")
    if missing:
        raise BaseModelError(f"base model {folder} lacks its {_listed(missing)}{_hint(folder)}")
    _read_json(folder / CONFIG_FILE)
    _refuse_adapter(folder)
    _refuse_code(folder)
    how_to_write = [path for path in [folder / GENERATION_FILE] if path.is_file()]
    return (folder / CONFIG_FILE, *how_to_write, *weights), tokenizer


def folder_with(reference: str, revision: str | None, name: str) -> Path | None:
    """The folder that a base model comes from, for a file beside those that are loaded.

    Args:
        reference: as `locate` takes it.
        revision: likewise.
        name: of the file, which a hub is asked for.

    Returns:
        None where there is none: a base model of the store has no such files.

    Raises:
        NotAtHandError: it cannot be asked, so that nobody knows whether there is one.

    """
    place = reference
    if reference.endswith(gguf_models.SUFFIX):
        place = reference.rpartition("/")[0]
    elif reference.startswith(STORE_PREFIX):
        return None
    try:
        return _find_folder(place, revision, (name,))
    except NotAtHandError:
        raise
    except BaseModelError:
        return None


def _refuse_adapter(folder: Path) -> None:
    """An adapter is other weights, which transformers may load from anywhere."""
    if (folder / ADAPTER_FILE).exists():
        raise BaseModelError(
            f"base model {folder} holds {ADAPTER_FILE}: transformers would load an adapter on top "
            "of its weights, from wherever that names; merge it into the weights (peft's "
            "merge_and_unload) and save the model anew, or remove the file"
        )


def _refuse_code(folder: Path) -> None:
    """Before transformers asks on the terminal whether to run it."""
    for name in (CONFIG_FILE, GENERATION_FILE, "tokenizer_config.json"):
        path = folder / name
        for key, value in _entries(_read_json(path) if path.is_file() else {}):
            kernel = key.endswith(KERNEL_KEY_END) and "/" in json.dumps(value)
            if key in CODE_KEYS or kernel:
                raise BaseModelError(
                    f"{path} has the entry {key}: {json.dumps(value)[:80]}, with which "
                    "transformers would run code that comes with the model; only models whose "
                    "code is transformers' own are loaded. Remove the entry if transformers knows "
                    "the model type by itself, or name another base model"
                )


def _entries(value: object) -> Iterator[tuple[str, object]]:
    """Every key with its value, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key), item
            yield from _entries(item)
    elif isinstance(value, list):
        for item in value:
            yield from _entries(item)


def _find_folder(reference: str, revision: str | None, wanted: tuple[str, ...]) -> Path:
    """The folder of a package, the local one, or that of the hub with the wanted files."""
    folder = Path(reference).expanduser()
    if reference.startswith(PACKAGE_PREFIX):
        return _folder_in_package(reference)
    if folder.is_dir():
        return folder
    if "://" in reference or folder.is_absolute() or reference.startswith("."):
        raise NotAtHandError(
            f"base_model.reference {reference!r} is no folder here; give a folder, "
            f"{PACKAGE_PREFIX}NAME/FOLDER or the id of a model on the Hugging Face hub"
        )
    return _download(reference, revision, wanted)


def _gguf_file(reference: str, revision: str | None) -> Path:
    place, _, name = reference.rpartition("/")
    folder = _find_folder(place, revision, (name,))
    if not (folder / name).is_file():
        there = _gguf_names(folder)
        raise BaseModelError(
            f"base_model.gguf_file {name!r} is not in {place!r}, which has "
            f"{_listed(there) if there else 'no such files'}"
        )
    return folder / name


def _gguf_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"*{gguf_models.SUFFIX}"))


def _folder_in_package(reference: str) -> Path:
    name, _, inside = reference.removeprefix(PACKAGE_PREFIX).partition("/")
    # A dotted name would import its parents, and importing runs the package's code.
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise NotAtHandError(
            f"base_model.reference {reference!r}: no package {name!r} is installed here; install "
            "it, or name another base model"
        )
    folder = Path(places[0]) / inside
    if not folder.is_dir():
        raise NotAtHandError(
            f"base_model.reference {reference!r}: package {name!r} has no folder {inside!r}"
        )
    return folder


def _download(reference: str, revision: str | None, wanted: tuple[str, ...]) -> Path:
    if revision is None:
        raise NotAtHandError(
            f"base_model.reference {reference!r} is no folder here; if it is a model of the "
            "Hugging Face hub, set base_model.revision to a commit hash, so that it cannot change"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RevisionResolutionError

    try:
        return Path(snapshot_download(reference, revision=revision, allow_patterns=list(wanted)))
    except (OSError, ValueError, RevisionResolutionError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotAtHandError(
            f"base model {reference!r} at revision {revision!r} cannot be had from the Hugging "
            f"Face hub ({reason}); check both names and the network, or point "
            "base_model.reference at a local folder"
        ) from error


def _weight_files(folder: Path) -> tuple[Path, ...]:
    """The weights, or the index and all shards that it names; empty where any is missing."""
    index = folder / WEIGHTS_INDEX_FILE
    if (folder / WEIGHTS_FILE).is_file():
        return (folder / WEIGHTS_FILE,)
    if not index.is_file():
        return ()
    shards = _read_json(index).get("weight_map")
    if not isinstance(shards, dict):
        raise BaseModelError(f"{index} names no weight files")
    names = sorted({str(name) for name in shards.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise BaseModelError(
                f"{index} names the weight file {name!r}; right would be the name of a "
                ".safetensors file in the same folder"
            )
    files = tuple(folder / name for name in names)
    return (index, *files) if all(path.is_file() for path in files) else ()


def _read_json(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BaseModelError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise BaseModelError(f"{path} holds no JSON object")
    return value


def _hint(folder: Path) -> str:
    if names := _gguf_names(folder):
        one = "it" if len(names) == 1 else "one of them"
        return f"; it holds {_listed(names)}: set base_model.gguf_file to {one}"
    if (folder / ONNX_FILE).is_file():
        return (
            f"; it is a compressed model ({ONNX_FILE}), which can be asked and not trained: name "
            "the model that it was made of, or a version of a line without compression"
        )
    if any(folder.glob("pytorch_model*.bin")):
        return (
            "; its weights are pickled (pytorch_model.bin), and are not loaded, since unpickling "
            "can run code: save the model again as safetensors"
        )
    return ""


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _digest(paths: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{sha256_of_file(path)}\n".encode())
    return digest.hexdigest()
