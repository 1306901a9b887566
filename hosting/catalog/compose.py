"""A built stack as a plain Compose file, for whoever wants to run it without Berth.

The file needs no version key and runs with docker-compose 1.29 as well as Docker Compose v2. It has
the limits and the hardening of the stack, so that a comparison is a fair one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hosting.catalog.fields import duration_text
from hosting.engines.wanted import Attachment, Limits, Mount, Network, Readiness, Service, Stack


def to_compose(
    stack: Stack,
    *,
    fixed_addresses: bool = False,
    ports: Mapping[str, str] | None = None,
    limits: bool = True,
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The Compose file as plain values, and the files that belong beside it by path.

    With ``fixed_addresses`` the networks keep the stack's subnets and addresses; ``ports``
    publishes services, such as ``{"web": "127.0.0.1:5678:5678"}``. Without ``limits`` it runs on a
    machine of any size. The containers' users must be able to read the secret files. Compose's
    project names the objects, not the stack's.
    """
    writer = _Writer(stack, fixed_addresses, ports or {}, limits=limits)
    document: dict[str, Any] = {
        "services": {each.name: writer.service(each) for each in stack.services},
        "networks": writer.networks(),
    }
    if stack.volumes:
        document["volumes"] = {writer.short(each.name): {} for each in stack.volumes}
    if writer.files:
        document["secrets"] = {
            path.removeprefix("secrets/"): {"file": f"./{path}"} for path in sorted(writer.files)
        }
    return document, writer.files


class _Writer:
    """Writes the parts of one stack and collects the secret files on the way."""

    def __init__(
        self, stack: Stack, fixed: bool, ports: Mapping[str, str], *, limits: bool
    ) -> None:
        self._stack = stack
        self._fixed = fixed
        self._limited = limits
        self._ports = ports
        self._ambiguous = _ambiguous_secrets(stack)
        self.files: dict[str, str] = {}

    def short(self, name: str) -> str:
        """The name of a network or volume inside the file."""
        return name.removeprefix(f"{self._stack.project}-")

    def networks(self) -> dict[str, Any]:
        return {self.short(each.name): self._network(each) for each in self._stack.networks}

    def _network(self, network: Network) -> dict[str, Any]:
        written: dict[str, Any] = {"internal": True} if network.internal else {}
        if self._fixed:
            written["ipam"] = {"config": [{"subnet": network.subnet}]}
        return written

    def service(self, service: Service) -> dict[str, Any]:
        """Keys without a value are left out."""
        written: dict[str, Any] = {
            "image": service.image,
            "command": _words(service.command),
            "entrypoint": _words(service.entrypoint),
            "environment": {key: _text(value) for key, value in service.environment.items()},
            "secrets": [self._secret(service, each.name, each.value) for each in service.secrets],
            "volumes": [self._mount(each) for each in service.mounts],
            "tmpfs": list(service.tmpfs),
            "networks": {self.short(each.network): self._place(each) for each in service.networks},
            "depends_on": {name: self._condition(name) for name in service.depends_on},
            "healthcheck": _healthcheck(service.readiness),
            "ports": [self._ports[service.name]] if service.name in self._ports else [],
            "user": service.user,
            "working_dir": service.working_dir,
            "cap_drop": ["ALL"],
            "cap_add": list(service.capabilities),
            "security_opt": ["no-new-privileges:true"],
            "read_only": service.read_only,
            "init": service.init,
            "stop_grace_period": duration_text(service.stop_grace),
            "restart": "unless-stopped",
            **(_limits(service.limits) if self._limited else {}),
        }
        return {key: value for key, value in written.items() if value not in (None, [], {}, False)}

    def _secret(self, service: Service, name: str, value: str) -> dict[str, str]:
        source = f"{service.name}-{name}" if name in self._ambiguous else name
        self.files[f"secrets/{source}"] = value
        return {"source": source, "target": name}

    def _mount(self, mount: Mount) -> str:
        return f"{self.short(mount.volume)}:{mount.target}{':ro' if mount.read_only else ''}"

    def _place(self, attachment: Attachment) -> dict[str, Any]:
        written: dict[str, Any] = {}
        if attachment.aliases:
            written["aliases"] = list(attachment.aliases)
        if self._fixed and attachment.address:
            written["ipv4_address"] = attachment.address
        return written

    def _condition(self, name: str) -> dict[str, str]:
        ready = self._stack.service(name).readiness
        return {"condition": "service_healthy" if ready else "service_started"}


def _ambiguous_secrets(stack: Stack) -> frozenset[str]:
    """Names under which two services see different contents."""
    values: dict[str, set[str]] = {}
    for service in stack.services:
        for secret in service.secrets:
            values.setdefault(secret.name, set()).add(secret.value)
    return frozenset(name for name, found in values.items() if len(found) > 1)


def _limits(limits: Limits) -> dict[str, Any]:
    return {
        "cpus": float(limits.cpus),
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memory_bytes,
        "pids_limit": limits.pids,
        "logging": {
            "driver": "json-file",
            "options": {
                "max-size": str(limits.log_bytes),
                "max-file": str(limits.log_files),
            },
        },
    }


def _healthcheck(readiness: Readiness | None) -> dict[str, Any] | None:
    if readiness is None:
        return None
    return {
        "test": ["CMD", *(_text(word) for word in readiness.command)],
        "interval": duration_text(readiness.interval),
        "timeout": duration_text(readiness.timeout),
        "retries": readiness.retries,
        "start_period": duration_text(readiness.start_period),
    }


def _words(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else [_text(word) for word in words]


def _text(text: str) -> str:
    """Compose would take a lone dollar sign for a variable."""
    return text.replace("$", "$$")
