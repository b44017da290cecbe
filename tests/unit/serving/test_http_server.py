"""The socket of a server, before and while it takes connections."""

import pytest

from infra.errors import SettingsError
from tasks.serving.http_server import _take_connections, listen


def test_of_two_servers_that_start_at_once_the_second_one_is_told_that_the_port_is_taken() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with listen("127.0.0.1", port) as second:  # neither takes connections yet
            _take_connections(first)
            with pytest.raises(SettingsError, match=f"cannot listen at 127.0.0.1, port {port}"):
                _take_connections(second)
        with pytest.raises(SettingsError, match=f"cannot listen at 127.0.0.1, port {port}"):
            listen("127.0.0.1", port)
