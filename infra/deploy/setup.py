"""What must stand before anything runs: ``python -m infra.deploy.setup``, once, and again any time.

MLflow's reader, Prefect's Kubernetes pool where one is wanted, and then what `assayline up` makes
where all servers run elsewhere: buckets, pool, limits, the block of results, the deployments.
"""

from infra.deploy.exits import exit_with_message
from infra.deploy.part import mlflow_login
from infra.deploy.settings import load_container_settings
from infra.deploy.work_pool import ensure_kubernetes_pool
from infra.local.launch import become
from infra.local.mlflow_users import ensure_reader
from infra.local.parts import script
from infra.prefect_api import PrefectApi
from infra.settings import load_settings


def main() -> None:
    """Make what is missing, and become `assayline up` without a worker of its own."""
    settings = load_settings()
    ensure_reader(settings, mlflow_login(settings))
    ensure_kubernetes_pool(PrefectApi(settings), load_container_settings())
    become((script("assayline"), "up"), {"ASSAYLINE_WORKER": "false"}, ())


if __name__ == "__main__":
    with exit_with_message():
        main()
