"""Serve one registered version over HTTP, in an interpreter that cannot import this project.

Run by `infra.serving` as ``python -I -S serving_process.py ...``: ``-I`` keeps the environment and
the working directory off the path, and ``-S`` keeps editable installs off it. The library folders
come as arguments. So what serves here is what any machine with mlflow, torch and transformers has.
Nothing of a version is loaded before its files are those of its manifest.
"""

import argparse
import importlib
import importlib.abc
import importlib.util
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

PROJECT_PACKAGES = ("flows", "tasks", "infra")
MANIFEST_MODULE = Path(__file__).with_name("artifact_manifest.py")


class RefuseProject(importlib.abc.MetaPathFinder):
    """Finds no package of this project, whether or not it is installed."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse the project's packages, and leave all others to the next finder."""
        if fullname.partition(".")[0] in PROJECT_PACKAGES:
            raise ModuleNotFoundError(f"{fullname} is not for a served model", name=fullname)
        return None


def isolate(libraries: Sequence[str]) -> None:
    """Open the library folders and close the project.

    Raises:
        SystemExit: a package of this project can be imported all the same.

    """
    sys.path.extend(libraries)
    sys.meta_path.insert(0, RefuseProject())
    for name in PROJECT_PACKAGES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        sys.exit(f"the package {name} of this project can be imported where the model is served")


def end_with_parent() -> None:
    """End this process when the one that started it is gone, however it went."""

    def wait_for_end_of_input() -> None:
        # Unbuffered: a lock held on the buffer would abort the interpreter's own end.
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()


def manifest_module() -> ModuleType:
    """The one file of the project that is needed here; it imports nothing of the others."""
    spec = importlib.util.spec_from_file_location(MANIFEST_MODULE.stem, MANIFEST_MODULE)
    if spec is None or spec.loader is None:
        sys.exit(f"{MANIFEST_MODULE} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up their own module
    spec.loader.exec_module(module)
    return module


def fetch(model_uri: str, folder: Path, manifest: Path) -> Path:
    """Download a version, and hold its files against the manifest.

    Raises:
        SystemExit: they are others.

    """
    import mlflow

    files = manifest_module()
    line, version = model_uri.removeprefix("models:/").rsplit("/", 1)
    # Of a models:/ address MLflow would write a file of its own into the download.
    address = mlflow.MlflowClient().get_model_version_download_uri(line, version)
    artifact = Path(mlflow.artifacts.download_artifacts(address, dst_path=str(folder)))
    listed = files.from_bytes(manifest.read_bytes())
    wrong = files.differences(listed, files.list_files(artifact))
    if wrong:
        raise SystemExit(f"its files are not those of its manifest: {'; '.join(wrong)}")
    return artifact


def serve(model_uri: str, folder: Path, manifest: Path, ready: Path) -> None:
    """Download, check, load and serve a version until told to end; ``ready`` gets the port."""
    import mlflow.pyfunc
    import uvicorn
    from mlflow.pyfunc import scoring_server

    # With the protocol named, asyncio turns Nagle's algorithm off; else it adds 40 ms an answer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    began = time.perf_counter()
    try:
        artifact = fetch(model_uri, folder, manifest)
        model = mlflow.pyfunc.load_model(str(artifact))
    except Exception as error:  # whatever is wrong with the artifact, one line says it
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    load_s = time.perf_counter() - began
    app = scoring_server.init(model)
    unfinished = ready.with_suffix(".part")
    said = {"port": listening.getsockname()[1], "load_s": load_s, "artifact": str(artifact)}
    unfinished.write_text(json.dumps(said), encoding="utf-8")
    unfinished.rename(ready)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-uri", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--ready", type=Path, required=True)
    parser.add_argument("--libraries", nargs="+", required=True)
    arguments = parser.parse_args()
    end_with_parent()
    isolate(arguments.libraries)
    arguments.folder.mkdir(parents=True)
    serve(arguments.model_uri, arguments.folder, arguments.manifest, arguments.ready)


if __name__ == "__main__":
    main()
