"""A line that is no classification, from the shipped settings: Chinese and English side by side."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import yaml

from infra.tracking import Tracking
from tests.conftest import RunningStack

SHIPPED = Path(__file__).parents[2] / "configs" / "examples" / "hsk-pairs.yaml"
ROWS = 400
ENGLISH, CHINESE, OTHER = "I love you.", "我爱你。", "他在北京工作。"
_ASK = f"""
import sys; sys.path.append(sys.argv[1])
import json, mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[2])
model = mlflow.pyfunc.load_model("models:/pairs@production")
asked = pd.DataFrame({{"source": {[ENGLISH, CHINESE, OTHER]!r}}})
print(json.dumps(model.predict(asked)))
assert not [name for name in sys.modules if name.split(".")[0] in ("tasks", "infra", "flows")]
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped settings on the first rows alone, under a name of its own."""
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    shipped["line"] = "pairs"
    shipped["source"]["max_rows"] = ROWS
    shipped["contract"]["min_rows"] = ROWS // 2
    shipped["training"] |= {"epochs": 2, "batch_size": 32}
    shipped["drift"] = {**shipped.get("drift", {}), "embedding_rows": 50}
    path = tmp_path_factory.mktemp("pairs") / "pairs.yaml"
    path.write_text(yaml.safe_dump(shipped, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def planned(stack: RunningStack, config: Path) -> dict[str, float]:
    """What a dry run printed; nothing was registered by it."""
    done = stack.assayline("run", str(config), "--dry-run", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert Tracking(stack.settings).aliases("pairs") == {}
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_a_dry_run_says_what_the_training_would_take(planned: dict[str, float]) -> None:
    assert 20e6 < planned["parameters"] < 25e6  # MiniLM
    assert planned["learning_share"] == planned["learning"] / planned["parameters"]
    assert 0.99 < planned["learning_share"] < 1  # all but the pooler, which nobody asks
    assert 0 < planned["rows"] < ROWS
    assert planned["steps"] == 2 * -(-planned["rows"] // 32)
    assert planned["tokens"] > 2 * planned["rows"]
    assert 300 < planned["memory_mb"] < 3000  # weights, gradient and two means: 16 bytes each
    assert 1 < planned["training_s"] < 600


@pytest.mark.slow
@pytest.mark.usefixtures("planned")
def test_the_run_after_it_goes_on_from_the_checked_data_to_production(
    stack: RunningStack, config: Path
) -> None:
    done = stack.assayline("run", str(config), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("ingest", "validate", "tokenize"):
        assert f"{stage:<22} unchanged" in done.stderr
    gates = {one["metric"]: one for one in json.loads(done.stdout)["judgement"]["gates"]}
    assert gates["baseline.mrr_gain"]["verdict"] == "pass"
    assert Tracking(stack.settings).aliases("pairs")["production"] == 1

    served = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _ASK, sysconfig.get_path("purelib"),
         str(stack.settings.mlflow_url)],
        capture_output=True, text=True, timeout=120, check=False,
        env={**stack.service_environment, "HF_HUB_OFFLINE": "1"}, cwd=stack.folder,
    )  # fmt: skip
    assert served.returncode == 0, served.stderr
    vectors = np.array([row["vector"] for row in json.loads(served.stdout)])  # (3, H)
    assert vectors.shape == (3, 384)
    scaled = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = scaled @ scaled[0]
    assert cosines[1] > cosines[2]  # the translation is nearer than another sentence
