"""The image, the compose file and the manifests: whole, and refused where something is broken.

Nothing here starts a container: schemas, kubectl's own kustomize, hadolint, and what the files must
say of this project's variables, commands, secrets and versions.
"""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.deploy.dependencies import dependencies
from infra.deploy.new_secrets import new_secrets
from tests.deployed.common_checks import DEPLOY, ROOT, Document, pyproject, version
from tests.deployed.compose_checks import compose
from tests.deployed.docker_checks import dockerfile
from tests.deployed.kubernetes_checks import job_of, jobs, kubernetes, may_ask, rendered, template

COMPOSE = DEPLOY / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes"


# --- the image ---------------------------------------------------------------------------------


def test_the_image_is_made_as_it_should_be() -> None:
    assert dockerfile(DEPLOY / "Dockerfile") == []


@pytest.mark.parametrize(
    ("said", "instead", "problem"),
    [
        ("python:3.11.14-slim", "python:3.12.4-slim", "not pinned to a release of this project"),
        ("python:3.11.14-slim-bookworm", "python:latest", "not pinned to a release"),
        ("USER 10001:10001", "USER root", "does not run as a user of a number"),
        ("USER 10001:10001\n", "", "does not run as a user of a number"),
        ('version="0.1.0"', 'version="0.0.9"', "its label says another version"),
        ("postgresql kubernetes", "postgresql oracle", "there is no extra oracle"),
        ("HEALTHCHECK --interval=15s --timeout=10s --start-period=180s --retries=3 \\\n    CMD [",
         "CMD [", "serving has no health check"),
        ("pip install -c constraints.txt -r", "pip install -r", "installs without constraints.txt"),
        ("ENV HOME=", "ENV SERVING_TOKEN=abc \\\n    HOME=", "would be in a layer of the image"),
        ('"infra.deploy.entry", "assayline", "serve"]', '"infra.deploy.entri", "serve"]',
         "there is no module infra.deploy.entri"),
        ("    && python -m compileall", "    && cd /tmp && python -m compileall", "DL3003"),
    ],
)  # fmt: skip
def test_a_broken_image_is_seen(tmp_path: Path, said: str, instead: str, problem: str) -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert said in text
    (tmp_path / "Dockerfile").write_text(text.replace(said, instead), encoding="utf-8")
    assert any(problem in found for found in dockerfile(tmp_path / "Dockerfile"))


def test_sources_that_come_first_are_seen(tmp_path: Path) -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    early = text.replace("COPY constraints.txt", "COPY . .\nCOPY constraints.txt")
    (tmp_path / "Dockerfile").write_text(early, encoding="utf-8")
    found = dockerfile(tmp_path / "Dockerfile")
    assert "dependencies are not installed before the sources are there" in found


def test_what_is_installed_before_the_sources_is_what_the_project_needs() -> None:
    listed = dependencies(ROOT / "pyproject.toml", ["postgresql", "sweep"])
    assert listed == [*pyproject()["project"]["dependencies"], "psycopg[binary]", "optuna"]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in pins if "==" in line}
    extras = re.findall(r'^ARG EXTRAS="([^"]*)"', (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    for wanted in dependencies(ROOT / "pyproject.toml", extras[0].split()):
        name = re.split(r"[<>=\[]", wanted)[0].lower().replace("_", "-")
        assert name in pinned, f"{wanted} would be installed in whatever version is newest"


def test_nothing_but_what_is_named_goes_into_the_image() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "**"
    named = {rule[1:].removesuffix("/**") for rule in rules if rule.startswith("!")}
    assert all((ROOT / name).exists() for name in named)
    assert {"flows", "tasks", "infra", "configs", "prefect.yaml", "pyproject.toml"} <= named
    assert "infra/deploy/secrets" in rules[rules.index("!infra/**") :]
    ignored = subprocess.run(
        ["git", "check-ignore", "infra/deploy/secrets/results_key", "infra/deploy/lines/a.yaml"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if (ROOT / ".git").exists():
        assert len(ignored.stdout.split()) == 2


# --- one machine ---------------------------------------------------------------------------------


def test_the_compose_file_is_whole() -> None:
    assert compose(COMPOSE.read_text(encoding="utf-8")) == []
    gpu = DEPLOY / "compose.gpu.yaml"
    assert compose(gpu.read_text(encoding="utf-8"), override=True) == []
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    assert yaml.safe_load(gpu.read_text(encoding="utf-8"))["services"].keys() <= services.keys()


def test_every_secret_is_used_by_somebody() -> None:
    content = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    given = {name for service in content["services"].values() for name in service["secrets"]}
    assert given == content["secrets"].keys() == new_secrets().keys()


@pytest.mark.parametrize(
    ("said", "instead", "problem"),
    [
        ("condition: service_healthy", "condition: service_well", "service_well"),
        ("stop_grace_period: 60s", "stop_grace_perod: 60s", "stop_grace_perod"),
        ("MLFLOW_TRACKING_URI: http", "MLFLOW_TRACKING_URL: http", "nothing reads the variable"),
        ("ASSAYLINE_SERVER_HOST:", "ASSAYLINE_HOST:", "nothing reads the variable ASSAYLINE_HOST"),
        ("http://prefect:14200/api", "http://prefect:4200/api", "where nobody listens"),
        ("http://store:19000", "http://minio:19000", "where nobody listens"),
        ("MLFLOW_TRACKING_PASSWORD_FILE: /run/secrets/mlflow_reader_password",
         "MLFLOW_TRACKING_PASSWORD: abc", "holds a secret: name its file"),
        ("MLFLOW_TRACKING_PASSWORD_FILE: /run/secrets/mlflow_reader_password",
         "MLFLOW_TRACKING_PASSWORD_FILE: /run/secrets/mlflow_password", "which it is not given"),
        ("secrets: [prefect_database_url, prefect_login]",
         "secrets: [prefect_database_url, prefect_login, serving_token]", "uses it for nothing"),
        ("{file: ./secrets/results_key}", "{file: ./results_key}", "the secret results_key is"),
        ("infra.deploy.part, mlflow]", "infra.deploy.part, mlfow]", "there is no part mlfow"),
        ("infra.deploy.setup]", "infra.deploy.set_up]", "there is no module infra.deploy.set_up"),
        ("      - --public-url", "      - --public-address", "assayline serve"),
        ('infra.deploy.healthy, "http://127.0.0.1:15000/health"',
         'infra.deploy.health, "http://127.0.0.1:15000/health"', "there is no module"),
        ("127.0.0.1:15000:15000", "15000:15000", "beyond this machine's loopback"),
        ("cap_drop: [ALL]", "cap_drop: [NET_RAW]", "has capabilities"),
        ("read_only: true", "read_only: false", "writes its own file system"),
        ("assayline:0.1.0-cpu", "assayline:0.0.9-cpu", "is not of version"),
        ("DEVICE: ${ASSAYLINE_DEVICE:-cpu}", "DEVICE: ${ASSAYLINE_DEVICE:-cuda}", "not that for"),
        ('networks: [inside, outside]\n    ports: ["127.0.0.1:15000',
         'networks: [outside]\n    ports: ["127.0.0.1:15000', "which is on none of its networks"),
        ('volumes: ["store:/var/lib/assayline"]', 'volumes: ["store:/data"]', "no volume at"),
        ('        limits: {cpus: "4", memory: 4g}', '        limits: {cpus: "4"}', "no limit"),
    ],
)  # fmt: skip
def test_a_broken_compose_file_is_seen(said: str, instead: str, problem: str) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert said in text
    found = compose(text.replace(said, instead))
    assert any(problem in one for one in found), found


# --- a cluster -----------------------------------------------------------------------------------


@cache
def whole() -> list[Document]:
    return rendered(KUBERNETES) + rendered(KUBERNETES / "serve")


def test_the_manifests_are_whole() -> None:
    assert kubernetes(whole()) == []


def test_who_has_no_business_with_whom_is_not_let() -> None:
    for part, other in (
        ("serve", "prefect"), ("serve", "postgres"), ("run", "postgres"), ("worker", "store"),
        ("worker", "mlflow"), ("store", "mlflow"), ("mlflow", "prefect"), ("console", "postgres"),
    ):  # fmt: skip
        assert not may_ask(part, other, whole()), (part, other)
    for other in ("store", "mlflow", "prefect"):
        assert may_ask("run", other, whole())


def test_one_image_runs_everything_jobs_too() -> None:
    images = re.findall(r"\bimage: (\S+)", yaml.safe_dump_all(whole()))
    assert set(images) == {f"assayline:{version()}-cpu", "postgres:15.18-bookworm"}
    told = [one for one in whole() if one["metadata"]["name"] == "console"][-1]
    (console,) = told["spec"]["template"]["spec"]["containers"]
    for container in (console, *told["spec"]["template"]["spec"]["initContainers"]):
        (image,) = [
            one["value"] for one in container["env"] if one["name"] == "ASSAYLINE_JOB_IMAGE"
        ]
        assert image == container["image"]
    assert "postgres:15.18-bookworm" in COMPOSE.read_text(encoding="utf-8")


def change(kind: str, name: str, *path: str | int, to: Any) -> Callable[[list[Document]], None]:
    """Give a field of a manifest another value; None takes it away."""

    def make(documents: list[Document]) -> None:
        (place,) = [
            one for one in documents if (one["kind"], one["metadata"]["name"]) == (kind, name)
        ]
        *way, last = path
        for step in way:
            place = place[step]  # type: ignore[index]
        assert last in place or isinstance(last, int)
        if to is None:
            del place[last]  # type: ignore[arg-type]
        else:
            place[last] = to  # type: ignore[index]

    return make


POD = ("spec", "template", "spec")
FIRST = (*POD, "containers", 0)


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (change("Deployment", "mlflow", "spec", "replicas", to="one"), "is not of type"),
        (change("Deployment", "mlflow", *POD, "containers", to=[{"nmae": "x"}]),
         "'name' is a required property"),
        (change("Deployment", "mlflow", *POD, "securityContext", "runAsNonRoot", to=False), "root"),
        (change("Deployment", "worker", *POD, "serviceAccountName", to="default"), "has a token"),
        (change("Deployment", "prefect", *POD, "priorityClassName", to=None), "has no priority"),
        (change("StatefulSet", "store", *FIRST, "securityContext", "readOnlyRootFilesystem",
                to=False), "writes its own file system"),
        (change("Deployment", "serve", *FIRST, "resources", "limits", to={}), "limit of memory"),
        (change("Deployment", "serve", *FIRST, "livenessProbe", to=None), "has no livenessProbe"),
        (change("Deployment", "serve", *FIRST, "readinessProbe", "httpGet", "httpHeaders", to=[]),
         "asks a name that the server does not answer to"),
        (change("Deployment", "prefect", *FIRST, "args", 3, to="perfect"), "no part perfect"),
        (change("Deployment", "serve", *FIRST, "args", 1, to="server"), "assayline server"),
        (change("Deployment", "mlflow", *FIRST, "env", 0, "name", to="SERVER_HOST"),
         "nothing reads the variable SERVER_HOST"),
        (change("Deployment", "mlflow", *FIRST, "env", 2, "value", to="http://store:9000"),
         "where nobody listens"),
        (change("Deployment", "mlflow", *FIRST, "env", 3, "valueFrom", "secretKeyRef", "key",
                to="store_key"), "nothing makes the secret assayline/store_key"),
        (change("Deployment", "mlflow", *FIRST, "env", 3,
                to={"name": "ASSAYLINE_STORE_ACCESS_KEY_ID", "value": "abc"}), "holds a secret"),
        (change("Service", "mlflow", "spec", "selector", to={"assayline/part": "prefect"}),
         "its service selects other pods"),
        (change("Service", "prefect", "spec", "ports", 0, "port", to=4200), "is not at port 14200"),
        (change("NetworkPolicy", "mlflow", "spec", "egress", to=[]), "network policy lets mlflow"),
        (change("NetworkPolicy", "store", "spec", "ingress", to=[]), "no network policy lets"),
        (change("Deployment", "serve", "spec", "replicas", to=1), "lets no node be drained"),
        (change("Deployment", "mlflow", *FIRST, "volumeMounts", 0, "name", to="hoem"), "hoem"),
    ],
)  # fmt: skip
def test_a_broken_manifest_is_seen(
    break_it: Callable[[list[Document]], None], problem: str
) -> None:
    documents = copy.deepcopy(whole())
    break_it(documents)
    # A schema takes its time: the rest is left out, but for what the broken one is held against.
    around = {"Service", "NetworkPolicy", "PodDisruptionBudget"}
    broken = [one for one, before in zip(documents, whole(), strict=True) if one != before]
    is_around = broken[0]["kind"] in around
    held = [one for one in documents if one in broken or is_around or one["kind"] in around]
    found = kubernetes(held)
    assert any(problem in one for one in found), found


def test_a_kustomization_that_names_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [nothing.yaml]\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        rendered(tmp_path)
    assert "nothing.yaml" in refused.value.stderr


def test_the_template_makes_a_job_with_and_without_a_gpu() -> None:
    assert jobs(template()) == []


def test_a_run_chooses_what_its_job_is_given() -> None:
    job = job_of(
        template(), gpus=1, memory_limit="64Gi", node_selector={"gpu": "h200"},
        tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}], finished_job_ttl=60,
    )  # fmt: skip
    spec = job["spec"]["template"]["spec"]
    limits = {"memory": "64Gi", "nvidia.com/gpu": 1}
    assert spec["containers"][0]["resources"]["limits"] == limits
    assert spec["nodeSelector"] == {"gpu": "h200"}
    assert spec["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert job["spec"]["ttlSecondsAfterFinished"] == 60
    assert job["spec"]["template"]["metadata"]["labels"]["assayline/part"] == "run"


@pytest.mark.parametrize(
    ("said", "instead", "problem"),
    [
        ('"nvidia.com/gpu": "{{ gpus }}"', '"nvidia.com/gpu": 1', "asks for 1 GPUs, and not for 0"),
        ('"backoffLimit": 0', '"backoffLimit": "none"', "is not of type"),
        ('"key": "results_key"', '"key": "result_key"', "nothing makes the secret"),
        ('"infra.deploy.part", "run"', '"infra.deploy.part", "walk"', "there is no part walk"),
        ('"runAsNonRoot": true', '"runAsNonRoot": false', "may run as root"),
        ('"memory": "{{ memory_limit }}", ', "", "has no limit of memory"),
        ('"name": "MLFLOW_TRACKING_URI"', '"name": "MLFLOW_URI"', "nothing reads the variable"),
        ('"medium": "Memory"', '"medum": "Memory"', "medum"),
    ],
)
def test_a_broken_template_is_seen(said: str, instead: str, problem: str) -> None:
    text = json.dumps(template())
    assert said in text
    found = jobs(json.loads(text.replace(said, instead)))
    assert any(problem in one for one in found), found


def test_the_secrets_need_nothing_but_python(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", DEPLOY / "new_secrets.py", tmp_path / "secrets"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"made {len(new_secrets())} secrets")
    assert {path.name for path in (tmp_path / "secrets").iterdir()} == new_secrets().keys()
