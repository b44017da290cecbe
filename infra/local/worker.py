"""The stack's worker: ``python -m infra.local.worker POOL NAME``.

Prefect's own process worker, which runs flows as processes of their own, and beside it a thread
that ends what an earlier worker, killed with its flows, could not report.
"""

import sys
import threading

from infra.local.abandoned import AbandonedWork, watch
from infra.prefect_api import PrefectApi
from infra.settings import external_parts, load_settings

LOOK_EVERY_S = 10.0


def main() -> None:
    """Work until told to end."""
    pool, name = sys.argv[1:]
    settings = load_settings()
    is_here = "prefect" not in external_parts(settings.home)
    home = settings.home if is_here else None
    work = AbandonedWork(PrefectApi(settings), pool, name, home)
    threading.Thread(target=watch, args=(work, LOOK_EVERY_S), daemon=True).start()

    from prefect.cli import app

    sys.argv = f"prefect worker start --pool {pool} --type process --name {name}".split()
    app()


if __name__ == "__main__":
    main()
