"""From Berth's values to the Engine API's request bodies: pure, and compared whole in the tests.

Bodies, not docker-py's keyword arguments: those add proxy settings of the worker's own home
directory to every environment, and leave out the stop timeout. Reference:
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerCreate
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePosixPath

from hosting.engines.docker.limits import RESTART_POLICY, limits_label, resources
from hosting.engines.labels import (
    LABEL_INSTANCE,
    LABEL_LIMITS,
    LABEL_OWNER,
    LABEL_SERVICE,
    LABEL_SPEC,
)
from hosting.engines.refusals import VOLUME_SERVICE
from hosting.engines.wanted import Attachment, Network, Readiness, Service, Stack

SECRETS_DIRECTORY = "/run/secrets"
LABEL_PROJECT = "com.docker.compose.project"
LABEL_SECRETS_OF = "berth.secrets-of"  # on a volume that holds nothing but a service's secrets


def container_name(project: str, service: str) -> str:
    """The one name a service's container may have, so that two of them can never run."""
    return f"{project}-{service}"


def secrets_volume(project: str, service: str) -> str:
    """The volume for the secrets of a service whose own file system takes no files."""
    return f"{project}-{service}-secrets"


def needs_secrets_volume(service: Service) -> bool:
    """True where files put into the container would be refused, or hidden once it runs.

    Docker puts no file into a read-only root, and a tmpfs over ``/run`` covers what lies below.
    """
    if not service.secrets:
        return False
    covered = [entry.partition(":")[0] for entry in service.tmpfs]
    covered += [mount.target for mount in service.mounts]
    target = PurePosixPath(SECRETS_DIRECTORY)
    hidden = any(target.is_relative_to(PurePosixPath(path)) for path in covered)
    return service.read_only or hidden


def stack_labels(stack: Stack) -> dict[str, str]:
    """What every object of a stack carries."""
    return {
        LABEL_INSTANCE: stack.instance,
        LABEL_OWNER: stack.owner,
        LABEL_PROJECT: stack.project,
    }


def container_labels(stack: Stack, service: Service) -> dict[str, str]:
    """Berth's labels and Compose's, so that the ordinary tools show the stack."""
    digest = service.spec_hash()
    return stack_labels(stack) | {
        LABEL_SERVICE: service.name,
        LABEL_SPEC: digest,
        LABEL_LIMITS: limits_label(service.limits),
        "com.docker.compose.service": service.name,
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": digest,
    }


def container_body(stack: Stack, service: Service) -> dict[str, object]:
    """The body of ``POST /containers/create``.

    Only the first attachment is in it: engines before API 1.44 take one, the others are connected
    before the start (``endpoint_body``).
    """
    body: dict[str, object] = {
        "Image": service.image,
        "Env": [f"{name}={value}" for name, value in sorted(service.environment.items())],
        "Labels": container_labels(stack, service),
        "Healthcheck": healthcheck(service.readiness),
        "StopTimeout": _whole_seconds(service.stop_grace),
        "HostConfig": host_config(stack, service),
        "NetworkingConfig": {
            "EndpointsConfig": {
                attachment.network: endpoint_body(service, attachment)
                for attachment in service.networks[:1]
            }
        },
    }
    if service.command is not None:
        body["Cmd"] = list(service.command)
    if service.entrypoint is not None:
        body["Entrypoint"] = list(service.entrypoint)
    if service.user is not None:
        body["User"] = service.user
    if service.working_dir is not None:
        body["WorkingDir"] = service.working_dir
    return body


def host_config(stack: Stack, service: Service) -> dict[str, object]:
    """Limits and hardening. What is not here is off: ports, host namespaces, devices, binds."""
    limits = service.limits
    return {
        "NetworkMode": service.networks[0].network if service.networks else "none",
        "CapDrop": ["ALL"],
        "CapAdd": sorted(service.capabilities),
        "SecurityOpt": ["no-new-privileges:true"],
        "Privileged": False,
        "PublishAllPorts": False,
        "IpcMode": "private",
        "ReadonlyRootfs": service.read_only,
        "Init": service.init,
        **resources(limits),
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": str(limits.log_bytes), "max-file": str(limits.log_files)},
        },
        "RestartPolicy": RESTART_POLICY,
        "Tmpfs": dict(_tmpfs(entry) for entry in service.tmpfs),
        "Mounts": mounts(stack, service),
    }


def mounts(stack: Stack, service: Service) -> list[dict[str, object]]:
    """The named volumes of a service; there is no other kind of mount."""
    wanted = [(mount.volume, mount.target, mount.read_only) for mount in service.mounts]
    if needs_secrets_volume(service):
        # Writable, because Docker puts no file into a volume that is mounted read-only.
        wanted.append((secrets_volume(stack.project, service.name), SECRETS_DIRECTORY, False))
    return [
        {"Type": "volume", "Source": source, "Target": target, "ReadOnly": read_only}
        for source, target, read_only in wanted
    ]


def endpoint_body(service: Service, attachment: Attachment) -> dict[str, object]:
    """A place in a network: always under the service's name, at a fixed address if there is one."""
    aliases = dict.fromkeys((service.name, *attachment.aliases))
    address = {"IPv4Address": attachment.address} if attachment.address else {}
    return {"Aliases": list(aliases), "IPAMConfig": address}


def healthcheck(readiness: Readiness | None) -> dict[str, object]:
    """The readiness command as Docker's own check; an image's check counts for nothing."""
    if readiness is None:
        return {"Test": ["NONE"]}
    return {
        "Test": ["CMD", *readiness.command],
        "Interval": _nanoseconds(readiness.interval),
        "Timeout": _nanoseconds(readiness.timeout),
        "StartPeriod": _nanoseconds(readiness.start_period),
        "Retries": readiness.retries,
    }


def network_body(stack: Stack, network: Network) -> dict[str, object]:
    """The body of ``POST /networks/create``: a bridge in Berth's own subnet."""
    return {
        "Name": network.name,
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": network.internal,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": network.subnet}]},
        "Labels": stack_labels(stack) | {"com.docker.compose.network": network.name},
    }


def volume_body(stack: Stack, name: str) -> dict[str, object]:
    """The body of ``POST /volumes/create`` for a volume of the stack."""
    labels = stack_labels(stack) | {"com.docker.compose.volume": name}
    return {"Name": name, "Driver": "local", "Labels": labels}


def secrets_volume_body(stack: Stack, service: Service) -> dict[str, object]:
    """The body of ``POST /volumes/create`` for the secrets of one service."""
    name = secrets_volume(stack.project, service.name)
    labels = stack_labels(stack) | {
        "com.docker.compose.volume": name,
        LABEL_SECRETS_OF: service.name,
    }
    return {"Name": name, "Driver": "local", "Labels": labels}


def volume_service(volume: str) -> str:
    """The reserved name under which the container for one volume goes."""
    return f"{VOLUME_SERVICE}.{volume}"


def volume_container_body(
    stack: Stack, image: str, volume: str, target: str, *, read_only: bool
) -> dict[str, object]:
    """The body of ``POST /containers/create`` for one that never runs and only has the volume."""
    mount = {
        "Type": "volume",
        "Source": volume,
        "Target": target,
        "ReadOnly": read_only,
        "VolumeOptions": {"NoCopy": True},
    }
    return {
        "Image": image,
        "Entrypoint": ["true"],
        "Cmd": [],
        "Labels": stack_labels(stack) | {LABEL_SERVICE: volume_service(volume)},
        "Healthcheck": healthcheck(None),
        "HostConfig": {
            "NetworkMode": "none",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "LogConfig": {"Type": "none"},
            "Mounts": [mount],
        },
    }


def _tmpfs(entry: str) -> tuple[str, str]:
    path, _, options = entry.partition(":")
    return path, options


def _nanoseconds(duration: timedelta) -> int:
    return int(duration / timedelta(microseconds=1)) * 1000


def _whole_seconds(duration: timedelta) -> int:
    return max(0, -int(-duration.total_seconds() // 1))
