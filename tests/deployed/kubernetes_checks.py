"""What is wrong with manifests and the template of jobs, as far as it shows without a cluster."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from infra.deploy.new_secrets import new_secrets
from infra.deploy.settings import variables
from tests.deployed.common_checks import (
    DEPLOY,
    PORTS,
    SCRIPTS,
    Document,
    Found,
    parts_asked,
    unknown_variables,
    wrong_command,
)

# The release of Kubernetes whose schemas are asked.
KUBERNETES = "1.34"
OWN_IMAGE = "assayline"


def rendered(folder: Path) -> list[Document]:
    """The manifests of a kustomization, as kubectl makes them.

    Raises:
        CalledProcessError: it refuses them; the message is in `stderr`.

    """
    done = subprocess.run(
        [SCRIPTS / "kubectl", "kustomize", folder], capture_output=True, text=True, check=True
    )
    return [one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one]


def kubernetes(documents: list[Document]) -> list[str]:
    """What is wrong with manifests that are applied together."""
    found = []
    for document in documents:
        name = f"{document.get('kind')}/{document.get('metadata', {}).get('name')}"
        problems = [*_against_kubernetes(document)]
        if not problems and document["kind"] in {"Deployment", "StatefulSet", "Job"}:
            made = document["spec"].get("volumeClaimTemplates", [])
            claims = {claim["metadata"]["name"] for claim in made}
            problems = [*pod(document["spec"]["template"]["spec"], claims)]
        if not problems and document["kind"] in {"Deployment", "StatefulSet"}:
            problems = [*_workload(document, documents)]
        found += [f"{name}: {problem}" for problem in problems]
    return [*found, *_disruption_budgets(documents)]


def _against_kubernetes(document: Document) -> Found:
    yield from _against_schema(json.dumps(document, sort_keys=True))


@cache
def _against_schema(text: str) -> list[str]:
    """What a schema says of a manifest; one that was seen is not looked at again."""
    document = json.loads(text)
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}"]
    except kubernetes_validate.SchemaNotFoundError as error:
        return [error.message]
    return []


# It reads two megabytes of definitions for each manifest.
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)


def pod(spec: Document, claims: set[str]) -> Found:
    """What is wrong with a pod, beside what a schema says; `claims` are volumes made for it."""
    security = spec.get("securityContext", {})
    if not security.get("runAsNonRoot") or not security.get("runAsUser"):
        yield "may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    if not str(spec.get("priorityClassName", "")).startswith("assayline-"):
        yield "has no priority"
    if spec.get("serviceAccountName") != "worker" and spec.get("automountServiceAccountToken", 1):
        yield "has a token of the cluster"
    volumes = {volume["name"] for volume in spec.get("volumes", [])} | claims
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        yield from _rights(container)
        yield from _environment(container)
        yield from _mounts(container, volumes)
        if container["image"].split(":")[0].split("/")[-1] == OWN_IMAGE:
            yield from wrong_command(container.get("args", []))


def _rights(container: Document) -> Found:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation", True) or not security.get("readOnlyRootFilesystem"):
        yield "may gain privileges, or writes its own file system"
    if security.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "has capabilities"
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= resources.get("requests", {}).keys():
        yield "asks for no cores or memory"
    if "memory" not in resources.get("limits", {}):
        yield "has no limit of memory"


def _environment(container: Document) -> Found:
    environment = {one["name"]: one for one in container.get("env", [])}
    yield from unknown_variables(environment)
    for name, one in environment.items():
        secret = one.get("valueFrom", {}).get("secretKeyRef")
        if variables().get(name) and "value" in one:
            yield f"{name} holds a secret: take it from the secret"
        if secret and (secret["name"] != "assayline" or secret["key"] not in new_secrets()):
            yield f"{name}: nothing makes the secret {secret['name']}/{secret['key']}"


def _mounts(container: Document, volumes: set[str]) -> Found:
    mounts = container.get("volumeMounts", [])
    if len({mount["mountPath"] for mount in mounts}) < len(mounts):
        yield "mounts two volumes at one place"
    for mount in mounts:
        if mount["name"] not in volumes:
            yield f"mounts {mount['name']}, which is no volume of it"


def _workload(document: Document, documents: list[Document]) -> Found:
    """Probes, selectors, services and network policies of one workload."""
    spec = document["spec"]
    labels = spec["template"]["metadata"]["labels"]
    if spec["selector"]["matchLabels"] != labels:
        yield "selects other pods than its own"
    part = labels["assayline/part"]
    (container,) = spec["template"]["spec"]["containers"]
    if part != "console":  # which serves nobody
        probes = {"startupProbe", "livenessProbe", *(["readinessProbe"] if part in PORTS else [])}
        if missing := probes - container.keys():
            yield f"has no {', '.join(sorted(missing))}"
    if part in PORTS:
        yield from _service_of(part, container, documents)
        yield from _probed_by_name(container)
    yield from asked(part, container, documents)


def _probed_by_name(container: Document) -> Found:
    """A server that refuses requests to other names is probed by one of its own."""
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        http = container.get(probe, {}).get("httpGet")
        if http:
            names = [one["value"] for one in http.get("httpHeaders", []) if one["name"] == "Host"]
            own = {f"{name}:{port}" for name, port in PORTS.items()}
            if not set(names) & own:
                yield f"{probe} asks a name that the server does not answer to"


def asked(part: str, container: Document, documents: list[Document]) -> Found:
    """Each address that a container is told is one that it is let to."""
    for variable in container.get("env", []):
        for other, port in parts_asked(variable.get("value")):
            if other == part:
                continue
            if PORTS.get(other) != port:
                yield f"{variable['name']} is {variable['value']}, where nobody listens"
            elif not may_ask(part, other, documents):
                yield f"{variable['name']}: no network policy lets {part} ask {other}"


def _service_of(part: str, container: Document, documents: list[Document]) -> Found:
    services = [
        one for one in documents if one["kind"] == "Service" and one["metadata"]["name"] == part
    ]
    for service in services:
        if service["spec"]["selector"] != {"assayline/part": part}:
            yield "its service selects other pods"
        if [port["port"] for port in service["spec"]["ports"]] != [PORTS[part]]:
            yield f"its service is not at port {PORTS[part]}"
    if not services:
        yield "has no service"
    if [port["containerPort"] for port in container["ports"]] != [PORTS[part]]:
        yield f"it does not listen at {PORTS[part]}"


def may_ask(part: str, other: str, documents: list[Document]) -> bool:
    """Whether network policies let pods of one part ask another, out and in."""
    policies = [one["spec"] for one in documents if one["kind"] == "NetworkPolicy"]

    def lets(policy: Document, whose: str, direction: str, who: str) -> bool:
        if not _selects(policy["podSelector"], whose):
            return False
        peers = "to" if direction == "egress" else "from"
        return any(
            PORTS[other] in {port["port"] for port in rule.get("ports", [])}
            and any(_selects(peer.get("podSelector"), who) for peer in rule.get(peers, []))
            for rule in policy.get(direction, [])
        )

    return any(lets(policy, part, "egress", other) for policy in policies) and any(
        lets(policy, other, "ingress", part) for policy in policies
    )


def _selects(selector: Document | None, part: str) -> bool:
    """Whether a selector that names parts, or nothing at all, selects one."""
    if selector is None:
        return False
    if "matchLabels" in selector:
        return bool(selector["matchLabels"].get("assayline/part") == part)
    if "matchExpressions" in selector:
        return any(part in one["values"] for one in selector["matchExpressions"])
    return True


def _disruption_budgets(documents: list[Document]) -> Found:
    replicas = {
        one["spec"]["template"]["metadata"]["labels"]["assayline/part"]: one["spec"]["replicas"]
        for one in documents
        if one["kind"] in {"Deployment", "StatefulSet"}
    }
    for budget in (one for one in documents if one["kind"] == "PodDisruptionBudget"):
        part = budget["spec"]["selector"]["matchLabels"]["assayline/part"]
        if replicas.get(part, 0) <= budget["spec"]["minAvailable"]:
            yield f"the budget of {part} lets no node be drained"


def job_of(template: Document, **chosen: Any) -> Document:
    """The job that Prefect makes of a template, with what a run chooses in place of its defaults.

    By Prefect's own function; what its worker adds beside that, a slow test holds.
    """
    from prefect.utilities.templating import apply_values

    properties = template["variables"]["properties"]
    defaults = {name: one["default"] for name, one in properties.items() if "default" in one}
    whole = defaults | {"name": "a-run"} | chosen
    jsonschema.validate(whole, template["variables"])
    job: Document = apply_values(template["job_configuration"]["job_manifest"], whole)
    for own in ("parallelism", "completions"):  # which Prefect wants there, and the cluster ignores
        job["spec"]["template"]["spec"].pop(own)
    return job


def template() -> Document:
    """The shipped one."""
    path = DEPLOY / "kubernetes" / "base-job-template.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def jobs(template: Document) -> list[str]:
    """What is wrong with a template, by the job that it makes with a GPU and without."""
    found = []
    for gpus in (0, 2):
        job = job_of(template, gpus=gpus)
        found += kubernetes([job])
        limits = job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        if limits.get("nvidia.com/gpu") != gpus:
            found.append(f"asks for {limits.get('nvidia.com/gpu')} GPUs, and not for {gpus}")
        if "{{" in json.dumps(job):
            found.append(f"leaves a placeholder: {json.dumps(job)}")
    return found
