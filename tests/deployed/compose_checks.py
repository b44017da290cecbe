"""What is wrong with a compose file, as far as it shows without an engine."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from infra.deploy.entry import ENDING
from infra.deploy.new_secrets import new_secrets
from infra.deploy.settings import variables
from tests.deployed.common_checks import (
    PORTS,
    Document,
    Found,
    parts_asked,
    unknown_variables,
    version,
    wrong_command,
)

HOME = "/var/lib/assayline"


def compose(text: str, *, override: bool = False) -> list[str]:
    """What is wrong with a compose file; an override adds to services that stand elsewhere."""
    content = yaml.load(text, yaml.CSafeLoader)
    found = list(_against_schema(content))
    if found or override:
        return found
    services: Mapping[str, Document] = content["services"]
    checks = (_variables, _secrets, _surroundings, _rights, _own_service, _addresses)
    for name, service in services.items():
        for check in checks:
            found += [f"{name}: {problem}" for problem in check(name, service, content)]
    return found


def default(word: str) -> str:
    """A word with each ${NAME:-default} in it replaced by its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word)


@cache
def _validator() -> Any:
    schema = get_builtin_schema("vendor.compose-spec")
    return jsonschema.validators.validator_for(schema)(schema)


def _against_schema(content: Document) -> Found:
    for error in _validator().iter_errors(content):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


def _variables(_: str, service: Document, __: Document) -> Found:
    environment: Mapping[str, str] = service.get("environment", {})
    yield from unknown_variables(environment)
    for variable, value in environment.items():
        if variables().get(variable):
            yield f"{variable} holds a secret: name its file in {variable}{ENDING}"
        if variable.endswith(ENDING):
            secret = value.removeprefix("/run/secrets/")
            if secret not in service.get("secrets", []):
                yield f"{variable} names {value}, which it is not given"


def _secrets(_: str, service: Document, content: Document) -> Found:
    environment: Mapping[str, str] = service.get("environment", {})
    for secret in service.get("secrets", []):
        if content["secrets"].get(secret) != {"file": f"./secrets/{secret}"}:
            yield f"the secret {secret} is not there, or is another file"
        if secret not in new_secrets():
            yield f"nothing makes the secret {secret}"
        used = f"/run/secrets/{secret}" in environment.values()
        if not used and "POSTGRES_PASSWORD_FILE" not in environment:
            yield f"is given the secret {secret}, and uses it for nothing"


def _surroundings(name: str, service: Document, content: Document) -> Found:
    for other in service.get("depends_on", {}):
        if other not in content["services"]:
            yield f"depends on {other}, which is none of the services"
    for port in service.get("ports", []):
        if not str(port).startswith("127.0.0.1:"):
            yield f"publishes {port} beyond this machine's loopback"
    if "healthcheck" not in service and name in PORTS:
        yield "serves, and nothing asks whether it is well"


def _rights(_: str, service: Document, __: Document) -> Found:
    if "memory" not in service.get("deploy", {}).get("resources", {}).get("limits", {}):
        yield "has no limit of memory"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "may gain privileges"
    if service.get("user", "none") in {"0", "root", "0:0"} or service.get("privileged"):
        yield "runs as root"
    is_ours = "build" in service
    if is_ours and (service.get("cap_drop") != ["ALL"] or not service.get("read_only")):
        yield "has capabilities, or writes its own file system"


def _own_service(_: str, service: Document, __: Document) -> Found:
    """Of the services of our own image: its version, its command, its home folder."""
    if "build" not in service:
        return
    image = default(service["image"])
    if image.rpartition(":")[2].split("-")[0] != version():
        yield f"the image {image} is not of version {version()}"
    device = default(service["build"]["args"]["DEVICE"])
    if not image.endswith(f"-{device}"):
        yield f"the image {image} is not that for the device {device}"
    yield from wrong_command([default(str(word)) for word in service["command"]])
    check = service.get("healthcheck", {}).get("test", ["CMD"])
    if check[1:]:
        yield from wrong_command(check[1:])
    if HOME not in {place.split(":")[1] for place in service["volumes"]}:
        yield "has no volume at its home folder"


def _addresses(name: str, service: Document, content: Document) -> Found:
    """Each address that a service is told is one of a service on a network that both are on."""
    for variable, value in service.get("environment", {}).items():
        for part, port in parts_asked(value):
            other = content["services"].get(part)
            if variable == "ASSAYLINE_SERVER_ADDRESSES" and part != name:
                yield f"{variable} is {value}"
            elif other is None or port != PORTS.get(part):
                yield f"{variable} is {value}, where nobody listens"
            elif not set(service["networks"]) & set(other["networks"]):
                yield f"{variable} is {value}, which is on none of its networks"
