"""Which server an instance goes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from hosting.models import Instance, Plan, Server
from hosting.selectors import disk
from hosting.selectors.capacity import Room, room_on
from tenants.errors import Refused


def choose_server(*, plan: Plan, wanted: Server | None = None) -> Server:
    """The open server with the most memory left that the plan fits on; ``wanted``, where it does.

    The caller is in a transaction: the open servers stay locked until its end, so that two orders
    never count on the same room. Raises ``Refused`` naming what is missing and the most there is.
    """
    if wanted is not None:
        return _that_one(wanted, plan)
    open_servers = Server.objects.filter(availability=Server.Availability.OPEN)
    # Locked in one order and before the sums are read: two orders queue up, none deadlocks.
    locked = list(open_servers.order_by("pk").select_for_update().values_list("pk", flat=True))
    all_rooms = room_on(Server.objects.filter(pk__in=locked))
    rooms = [room for room in all_rooms if not disk.is_low(room.server)]
    if all_rooms and not rooms:
        raise Refused("No server has enough free disk to take anything new.", field="plan")
    fitting = [room for room in rooms if room.fits(plan)]
    if not fitting:
        raise Refused(_why_full(plan, rooms), field="plan")
    return max(fitting, key=lambda room: (room.memory_mb, room.server.name)).server


def refuse_growth(*, instance: Instance, plan: Plan) -> None:
    """Raise ``Refused`` where the instance's server has no room for it on that plan.

    The caller is in a transaction: the server stays locked until its end.
    """
    locked = Server.objects.select_for_update().get(pk=instance.server_id)
    room = room_on(Server.objects.filter(pk=locked.pk))[0]
    if not room.fits(plan, instead_of=instance.plan):
        raise Refused(
            f"Its server has no room for the plan {plan}: {free_on(room)} are free there.",
            field="plan",
        )


def free_on(room: Room) -> str:
    """What is left there, in words."""
    cpus, disk_gb = max(room.cpus, Decimal(0)), max(room.disk_gb, 0)
    memory_gb = Decimal(max(room.memory_mb, 0)) / 1024
    return f"{_plain(cpus)} CPUs, {_plain(memory_gb)} GB of memory and {disk_gb} GB of disk"


def _that_one(wanted: Server, plan: Plan) -> Server:
    """The server that staff chose; ``Refused`` where it takes nothing new, or not so much."""
    server = Server.objects.select_for_update().get(pk=wanted.pk)
    if server.availability != Server.Availability.OPEN:
        raise Refused(
            f"Server {server} is {server.availability}: it takes nothing new.", field="server"
        )
    if disk.is_low(server):
        raise Refused(f"{disk.shortage(server)}.", field="server")
    room = room_on(Server.objects.filter(pk=server.pk))[0]
    if not room.fits(plan):
        raise Refused(
            f"Server {server} has no room for the plan {plan}: {free_on(room)} are free there.",
            field="server",
        )
    return server


def _why_full(plan: Plan, rooms: Sequence[Room]) -> str:
    if not rooms:
        return "No server is open for new instances."
    wants: tuple[tuple[str, str, Decimal | int, Callable[[Room], Decimal | int]], ...] = (
        ("GB", " of memory", Decimal(plan.memory_mb) / 1024, lambda r: Decimal(r.memory_mb) / 1024),
        ("CPUs", "", plan.cpus, lambda r: r.cpus),
        ("GB", " of disk", plan.disk_gb, lambda r: r.disk_gb),
    )
    for unit, what, wanted, left_on in wants:
        most = max(max(left_on(room), 0) for room in rooms)
        if most < wanted:
            return (
                f"No server has {_plain(wanted)} {unit}{what} free:"
                f" the emptiest has {_plain(most)} {unit}."
            )
    return "No single server has the CPUs, memory and disk of this plan free together."


def _plain(value: Decimal | int) -> str:
    """At most one decimal, none where it is zero: 4, 1.2."""
    text = f"{Decimal(value):.1f}"
    return text.removesuffix(".0")
