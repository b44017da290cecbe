"""What Prefect's own Kubernetes worker makes of the template of jobs.

prefect-kubernetes stands in a folder of its own: each Prefect process imports every collection that
it finds, so in the environment of the tests it would slow down all others.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local.parts import prefect_environment
from infra.settings import Settings
from tests.deployed.common_checks import DEPLOY, ROOT
from tests.deployed.kubernetes_checks import kubernetes, template

pytestmark = [pytest.mark.slow]

# It, and what of its needs nothing else here has; their versions are those of constraints.txt.
PACKAGES = ["prefect-kubernetes", "kubernetes-asyncio", "kopf", "iso8601", "pyopenssl"]
PREPARE = """
import asyncio, json, sys, uuid
from prefect.client.schemas.objects import FlowRun
from prefect_kubernetes.settings import KubernetesSettings
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration as Configuration

given = json.load(sys.stdin)
made = asyncio.run(Configuration.from_template_and_values(given["template"], given["chosen"]))
made.prepare_for_flow_run(FlowRun(id=uuid.UUID(int=7), name="brave-fox", flow_id=uuid.UUID(int=8)))
settings = KubernetesSettings()
json.dump({
    "job": made.job_manifest, "pod_watch_timeout_s": made.pod_watch_timeout_seconds,
    "namespaces": sorted(settings.observer.namespaces),
    "secret": [settings.worker.api_auth_string_secret_name,
               settings.worker.api_auth_string_secret_key],
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def worker_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the worker of worker.yaml, in which its collection can be imported."""
    folder = tmp_path_factory.mktemp("prefect-kubernetes")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder,
         "-c", ROOT / "constraints.txt", *PACKAGES], check=True,
    )  # fmt: skip
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "worker.yaml").read_text())
    (deployment,) = [one for one in documents if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    told = {one["name"]: one.get("value", "assayline") for one in container["env"]}
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **told,
        "PREFECT_HOME": str(folder / "home"),
        "PYTHONPATH": str(folder),
    }


def prepared(environment: dict[str, str], chosen: dict[str, Any]) -> dict[str, Any]:
    given = json.dumps({"template": template(), "chosen": chosen})
    done = subprocess.run(
        [sys.executable, "-c", PREPARE], input=given, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_job_of_a_run_is_whole(worker_environment: dict[str, str], tmp_path: Path) -> None:
    made = prepared(worker_environment, {"gpus": 2, "env": {"CHOSEN": "yes"}})
    job = made["job"]
    pod = job["spec"]["template"]["spec"]
    assert pod.pop("parallelism") == pod.pop("completions") == 1
    (container,) = pod["containers"]
    environment = {one["name"]: one for one in container["env"]}
    # Those of Prefect, of the run, and of the template; the others of ours are checked below.
    assert environment["PREFECT__FLOW_RUN_ID"]["value"].endswith("07")
    assert environment["CHOSEN"]["value"] == "yes"
    assert environment["PREFECT_API_URL"]["value"] == "http://prefect:14200/api"
    assert environment["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"]["value"] == "reschedule"
    assert made["secret"] == ["assayline", "prefect_login"]
    assert made["namespaces"] == ["assayline"]
    assert made["pod_watch_timeout_s"] == 3600

    container["env"] = [
        one for one in container["env"]
        if not one["name"].startswith("PREFECT") and one["name"] != "CHOSEN"
    ]  # fmt: skip
    job["metadata"]["name"] = job["metadata"].pop("generateName") + "x"
    assert kubernetes([job]) == []
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["assayline/part"] == "run"  # by which network policies know it
    assert labels["prefect.io/flow-run-name"] == "brave-fox"
    assert container["args"] == ["python", "-m", "infra.deploy.part", "run"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 2

    # Together they are what a run needs to find everything.
    settings = Settings(
        home=tmp_path, store_endpoint_url="http://s", store_access_key_id="a",
        store_secret_access_key="b", mlflow_url="http://m", mlflow_user="u", mlflow_password="p",
        mlflow_reader="r:p", prefect_url="http://p/api", prefect_login="u:p",
        results_key="sixteen characters",
    )  # fmt: skip
    needed = {
        name for name in settings.as_environment()
        if name not in {"ASSAYLINE_HOME", "ASSAYLINE_STORE_REGION", "ASSAYLINE_GPU_WAIT_S"}
        and not name.endswith("_BUCKET")
    }  # fmt: skip
    assert needed <= environment.keys()
    assert prefect_environment(tmp_path, tmp_path, settings).keys() >= needed
