"""What no engine runs, whoever asks: the last gate before the outside world.

The catalog refuses the same things earlier and with file and line. This gate is for what reaches an
engine by any other way, because whoever may speak to a container engine is root on its host.
"""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import PurePosixPath

from hosting.engines.errors import GiveUp
from hosting.engines.observed import ObjectKind
from hosting.engines.ordering import levels
from hosting.engines.wanted import Attachment, Limits, Service, Stack

# The set Docker grants by default, less those that forge packets, devices and audit records
# (MKNOD, NET_RAW, AUDIT_WRITE).
CAPABILITIES = frozenset(
    {
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
TMPFS_OPTIONS = re.compile(r"(size=\d+[kmg]?|mode=0?[0-7]{3,4}|uid=\d+|gid=\d+|noexec|exec|rw)")
MEMORY_MINIMUM = 6 * 1024 * 1024  # Docker refuses less

# The containers through which volumes are read and written have services of such names.
VOLUME_SERVICE = "berth-volume"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_RESERVED_NETWORKS = frozenset({"host", "none", "bridge", "default"})


def refuse_unsafe(stack: Stack) -> None:
    """Raise ``GiveUp`` with one sentence where the stack asks for what Berth never runs."""
    _refuse_names(stack)
    levels(stack)
    for service in stack.services:
        _refuse_limits(service.name, service.limits)
        _refuse_capabilities(service)
        _refuse_files(service, {volume.name for volume in stack.volumes})
        _refuse_attachments(service, stack)


def held_name(service: str, name: str) -> GiveUp:
    """For a container's name that one of somebody else has."""
    return GiveUp(
        f"the service {service} needs the container name {name}, which is held by a container "
        "that is not its own: rename or remove that one"
    )


def not_owned(kind: ObjectKind, name: str) -> GiveUp:
    """For an object that another made, or another installation of Berth."""
    return GiveUp(f"the {kind} {name} was not made by this installation of Berth: it is left alone")


def missing_volume(name: str) -> GiveUp:
    """For a volume that must be there already: it is never made in passing."""
    return GiveUp(f"the volume {name} is not on the server")


def foreign_volume(stack: Stack, name: str) -> GiveUp:
    """For a volume that the stack does not declare."""
    return GiveUp(f"{name} is no volume of the stack {stack.project}")


def full_volume(name: str) -> GiveUp:
    """For a volume that is to be written and holds files already."""
    return GiveUp(f"the volume {name} is not empty: nothing was written into it")


def _refuse_names(stack: Stack) -> None:
    named = [
        ("project", [stack.project]),
        ("instance", [stack.instance]),
        ("owner", [stack.owner]),
        ("service", [service.name for service in stack.services]),
        ("network", [network.name for network in stack.networks]),
        ("volume", [volume.name for volume in stack.volumes]),
    ]
    for kind, names in named:
        for name in names:
            if not _NAME.fullmatch(name) or (kind == "network" and name in _RESERVED_NETWORKS):
                raise GiveUp(f"{name!r} is no name for a {kind}")
            if kind == "service" and name.startswith(VOLUME_SERVICE):
                raise GiveUp(f"the name {name} is Berth's own: no service of a stack may have it")
            if names.count(name) > 1:
                raise GiveUp(f"the stack has two {kind}s named {name}")


def _refuse_limits(service: str, limits: Limits) -> None:
    if limits.memory_bytes < MEMORY_MINIMUM:
        raise GiveUp(f"the service {service} needs a memory limit of at least 6 MiB")
    for limit in ("cpus", "pids", "log_bytes", "log_files"):
        if getattr(limits, limit) <= 0:
            raise GiveUp(f"the service {service} needs a limit {limit} above zero")


def _refuse_capabilities(service: Service) -> None:
    for capability in service.capabilities:
        if capability not in CAPABILITIES:
            raise GiveUp(f"the service {service.name} may not have the capability {capability}")


def _refuse_files(service: Service, volumes: set[str]) -> None:
    for mount in service.mounts:
        if mount.volume not in volumes:
            raise GiveUp(
                f"the service {service.name} mounts {mount.volume}, which is no volume of its stack"
            )
        _refuse_path(service, mount.target)
    for entry in service.tmpfs:
        path, _, options = entry.partition(":")
        _refuse_path(service, path)
        for option in filter(None, options.split(",")):
            if not TMPFS_OPTIONS.fullmatch(option):
                raise GiveUp(f"the service {service.name} may not mount a tmpfs with {option}")
    for secret in service.secrets:
        if not _NAME.fullmatch(secret.name):
            raise GiveUp(f"{secret.name!r} is no name for a secret of the service {service.name}")


def _refuse_path(service: Service, path: str) -> None:
    parts = PurePosixPath(path).parts
    if not path.startswith("/") or len(parts) < 2 or ".." in parts or "\0" in path:
        raise GiveUp(
            f"the service {service.name} mounts something at {path!r}, "
            "which is no absolute path below /"
        )


def _refuse_attachments(service: Service, stack: Stack) -> None:
    subnets = {network.name: network.subnet for network in stack.networks}
    for attachment in service.networks:
        if attachment.network not in subnets:
            raise GiveUp(
                f"the service {service.name} is attached to {attachment.network}, "
                "which is no network of its stack"
            )
        _refuse_address(service, attachment, subnets[attachment.network])


def _refuse_address(service: Service, attachment: Attachment, subnet: str) -> None:
    if attachment.address is None:
        return
    if ip_address(attachment.address) not in ip_network(subnet):
        raise GiveUp(
            f"the address {attachment.address} of the service {service.name} "
            f"is outside the subnet {subnet}"
        )
