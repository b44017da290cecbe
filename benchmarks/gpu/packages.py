"""Packages that a bare machine may lack, from wheels that travel with the checkout.

Nothing is installed: a wheel whose package cannot be imported is unpacked into a folder, and the
check's processes find it by PYTHONPATH.
"""

import os
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "wheels"
# What the rooms import beside torch, transformers and their like: the distribution of each package.
NEEDED: Final = {
    "pydantic": "pydantic",
    "pydantic_core": "pydantic_core",
    "annotated_types": "annotated_types",
    "typing_inspection": "typing_inspection",
    "pydantic_settings": "pydantic_settings",
    "dotenv": "python_dotenv",
}
# Of one release: a machine that has the one without the other is given both.
TOGETHER: Final = ("pydantic", "pydantic_core")


class MissingPackageError(Exception):
    """A package is neither installed nor among the wheels."""


def missing_packages() -> list[str]:
    """Packages that cannot be imported here."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if set(missing) & set(TOGETHER):
        missing += [name for name in TOGETHER if name not in missing]
    return missing


def bring_packages(folder: Path, wheels: Path = FOLDER) -> list[str]:
    """Unpack what is missing, and let this process and those that it starts import it.

    Args:
        folder: for the packages.
        wheels: where the wheels are.

    Returns:
        Names of the wheels that were unpacked.

    Raises:
        MissingPackageError: a wheel is missing, too.

    """
    brought = [_wheel_of(name, wheels) for name in missing_packages()]
    for wheel in brought:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    if brought:
        sys.path.insert(0, str(folder))
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([before] if before else [])])
    return [wheel.name for wheel in brought]


def _wheel_of(package: str, wheels: Path) -> Path:
    found = sorted(wheels.glob(f"{NEEDED[package]}-*.whl"))
    if not found:
        raise MissingPackageError(
            f"the package {package} is not installed, and {wheels} has no wheel of it; run "
            "`make gpu-wheels` where there is internet, and bring that folder along"
        )
    return found[-1]
