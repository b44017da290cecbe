"""Models in one GGUF file, as llama.cpp keeps them, made into folders as transformers saves them.

A GGUF file holds configuration, tokenizer, chat template and weights, mostly quantised ones. They
are unpacked once on each machine into float32 safetensors, several times the size of the file; from
then on it is a base model like any other. What was rounded by quantisation stays rounded.
"""

import hashlib
import importlib.util
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from infra.errors import BaseModelError
from infra.settings import load_settings
from infra.store import sha256_of_file

SUFFIX: Final = ".gguf"
# What shapes the folder besides the file.
LIBRARIES: Final = ("gguf", "tokenizers", "transformers")


def folder_of(file: Path) -> Path:
    """Where a GGUF file is unpacked to on this machine, by its digest; it may not be there yet.

    Raises:
        BaseModelError: the package gguf is not installed.

    """
    if importlib.util.find_spec("gguf") is None:
        raise BaseModelError(
            f"{file.name} is a GGUF file, and the package gguf, which reads such files, is not "
            "installed; install assayline[gguf]"
        )
    made_of = [sha256_of_file(file), *(f"{name} {version(name)}" for name in LIBRARIES)]
    key = hashlib.sha256("\n".join(made_of).encode()).hexdigest()
    return load_settings().home.absolute() / "base-models" / f"gguf-{key}"


def unpack(file: Path, folder: Path) -> None:
    """Make a GGUF file into a folder as transformers saves a model; it is there whole or not.

    Raises:
        BaseModelError: the file is no GGUF file, or of a model that transformers cannot read from
            one.

    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".new-") as scratch:
        # transformers would read what else lies beside the file, which no digest knows of.
        alone = Path(scratch) / "source" / file.name
        alone.parent.mkdir()
        alone.symlink_to(file.resolve())
        whole = Path(scratch) / "model"
        _save(alone, whole, file)
        try:
            whole.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise


def _save(file: Path, folder: Path, named: Path) -> None:
    try:
        model, tokenizer = _load(file)
        tokenizer.model_max_length = model.config.max_position_embeddings
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except Exception as error:
        # On a broken or unknown file transformers and gguf raise whatever they stumble over.
        raise BaseModelError(
            f"{named} cannot be read as a GGUF model ({type(error).__name__}: {error}); see "
            "transformers' page on GGUF for the architectures that it knows"
        ) from error


def _load(file: Path) -> tuple[Any, Any]:
    """The model in float32, without a trace of its quantisation, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(
        file.parent, gguf_file=file.name, local_files_only=True, trust_remote_code=False
    )
    packed, report = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    if report["missing_keys"]:
        lost = sorted(report["missing_keys"])
        raise ValueError(f"it lacks {len(lost)} weights, {lost[0]} first")
    config = packed.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    # transformers refuses to save a model that it read from GGUF; a plain one takes its weights.
    plain = type(packed)(config)
    plain.load_state_dict(packed.state_dict())
    plain.generation_config = packed.generation_config
    return plain, tokenizer


def licence_of(file: Path) -> str:
    """The licence that a GGUF file's metadata names (``general.license``); empty if none is there.

    A file that cannot be read names none, and is refused where it is unpacked.
    """
    if importlib.util.find_spec("gguf") is None:
        return ""
    from gguf import GGUFReader

    try:
        field = GGUFReader(file).get_field("general.license")
        return str(field.contents()) if field else ""
    except Exception:  # noqa: BLE001 - on a broken file gguf raises whatever it stumbles over
        return ""
