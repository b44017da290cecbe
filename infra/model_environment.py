"""What a process that holds a model is told by its environment: nothing that is secret."""

import os
from typing import Final

# Where programs and libraries are, how text is written, and how threads and devices are used.
# A list of what may pass, since nobody can list the names of all passwords.
_PASSED: Final = frozenset(
    {"HOME", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"}
)
_PASSED_PREFIXES: Final = (
    "CUDA_", "GOMP_", "HSA_", "KMP_", "LC_", "MKL_", "NVIDIA_", "OMP_", "OPENBLAS_", "PYTORCH_",
    "ROCR_", "TORCH_",
)  # fmt: skip


# How a machine reaches other ones, and where boto3 finds keys that no setting names.
_PASSED_TO_CLIENTS: Final = frozenset(
    {"ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR",
     "SSL_CERT_FILE"}
)  # fmt: skip
_PASSED_TO_CLIENTS_PREFIX: Final = "AWS_"


def model_environment() -> dict[str, str]:
    """The variables of this process that a model's process gets; it can fetch nothing with them."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }
    return passed | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1"}


def store_client_environment() -> dict[str, str]:
    """The same for a process that holds a model and writes to the object store as well.

    The settings' own keys are sent to it, and are not among these.
    """
    passed = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PASSED_TO_CLIENTS or name.startswith(_PASSED_TO_CLIENTS_PREFIX)
    }
    return passed | model_environment()
