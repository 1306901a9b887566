"""How many connections lead to an instance."""

from __future__ import annotations

import contextlib
import socket

from hosting.engines.nginx import open_connections
from tests.hosting.engines.nginx.holding import wait_until


def test_it_counts_the_connections_to_one_address_and_port(app):
    app.up()
    before = open_connections("127.0.0.1", app.port)
    with contextlib.ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(socket.create_connection(("127.0.0.1", app.port)))
        assert (before, open_connections("127.0.0.1", app.port)) == (0, 3)
        assert open_connections("127.0.0.2", app.port) == 0
    wait_until(lambda: open_connections("127.0.0.1", app.port) == 0)
