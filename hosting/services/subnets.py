"""Giving out the subnets of a server: the lowest free one, under the server's lock."""

from __future__ import annotations

from hosting.models import Instance, Server, Subnet
from tenants.errors import Refused


def allocate(*, instance: Instance) -> Subnet:
    """Give the instance a subnet of its server; the one it has already, if any.

    The caller is in a transaction. Raises ``Refused`` when the server's range is used up.
    """
    held = Subnet.objects.filter(instance=instance).first()
    if held is not None:
        return held
    server = Server.objects.select_for_update().get(pk=instance.server_id)
    return _reuse(server, instance) or _extend(server, instance)


def replace_taken(*, instance: Instance, taken_by: str) -> Subnet:
    """Set the instance's subnet aside, since something else on the server uses it; take the next.

    The caller is in a transaction.
    """
    Subnet.objects.filter(instance=instance).update(instance=None, taken_by=taken_by[:200])
    return allocate(instance=instance)


def release(*, instance: Instance) -> None:
    """Give the instance's subnet back; nothing happens where it has none."""
    Subnet.objects.filter(instance=instance).update(instance=None)


def _reuse(server: Server, instance: Instance) -> Subnet | None:
    """The lowest subnet that was given back."""
    free = (
        Subnet.objects.filter(server=server, instance=None, taken_by="").order_by("index").first()
    )
    if free is not None:
        free.instance = instance
        free.save(update_fields=["instance"])
    return free


def _extend(server: Server, instance: Instance) -> Subnet:
    """The first subnet that was never given out."""
    last = Subnet.objects.filter(server=server).order_by("-index").first()
    index = last.index + 1 if last else 0
    if index >= server.subnet_count:
        raise Refused(
            f"Server {server} has no free subnet left: all {server.subnet_count}"
            f" of {server.supernet} are in use."
        )
    return Subnet.objects.create(server=server, index=index, instance=instance)
