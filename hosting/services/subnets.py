"""Giving out the subnets of a server: the lowest free one, under the server's lock."""

from __future__ import annotations

from django.db import connection

from hosting.models import Instance, Server, Subnet
from tenants.errors import Refused

# The lowest index that no row holds: 0, or one past the first row whose successor is free.
_LOWEST_FREE = """
    SELECT min(candidate) FROM (
        SELECT 0 AS candidate
        UNION ALL
        SELECT "index" + 1 FROM hosting_subnet WHERE server_id = %(server)s
    ) AS candidates
    WHERE NOT EXISTS (
        SELECT 1 FROM hosting_subnet WHERE server_id = %(server)s AND "index" = candidate
    )
"""


def allocate(*, instance: Instance) -> Subnet:
    """Give the instance a subnet of its server; the one it has already, if any.

    The caller is in a transaction. Raises ``Refused`` when the server's range is used up.
    """
    held = Subnet.objects.filter(instance=instance).first()
    if held is not None:
        return held
    server = Server.objects.select_for_update().get(pk=instance.server_id)
    index = _lowest_free(server)
    if index >= server.subnet_count:
        raise Refused(
            f"Server {server} has no free subnet left: all {server.subnet_count}"
            f" of {server.supernet} are in use."
        )
    return Subnet.objects.create(server=server, index=index, instance=instance)


def replace_taken(*, instance: Instance, taken_by: str) -> Subnet:
    """Set the instance's subnet aside, since something else on the server uses it; take the next.

    The caller is in a transaction.
    """
    Subnet.objects.filter(instance=instance).update(instance=None, taken_by=taken_by[:200])
    return allocate(instance=instance)


def release(*, instance: Instance) -> None:
    """Give the instance's subnet back; nothing happens where it has none."""
    Subnet.objects.filter(instance=instance).delete()


def _lowest_free(server: Server) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_LOWEST_FREE, {"server": server.pk})
        row = cursor.fetchone()
    return int(row[0])
