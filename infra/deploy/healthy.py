"""Whether a server answers: ``python -m infra.deploy.healthy ADDRESS [STATUS]``.

For health checks of containers, which have no curl. Exit code 0: it answers with that status, 200
if left out.
"""

import sys
import urllib.error
import urllib.request

OK = 200
TIMEOUT_S = 5


def status_of(address: str) -> int:
    """The status that an address answers with.

    Raises:
        OSError: nobody answers.

    """
    asked = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with asked.open(address, timeout=TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def main() -> None:
    """Ask, and exit."""
    address, *status = sys.argv[1:]
    wanted = int(status[0]) if status else OK
    try:
        found = status_of(address)
    except OSError as error:
        sys.exit(f"{address} does not answer: {error}")
    if found != wanted:
        sys.exit(f"{address} answers {found}")


if __name__ == "__main__":
    main()
