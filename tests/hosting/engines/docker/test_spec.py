"""The request bodies, whole."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from hosting.engines.docker.spec import (
    container_body,
    endpoint_body,
    needs_secrets_volume,
    network_body,
    secrets_volume_body,
    volume_body,
    volume_container_body,
)
from hosting.engines.wanted import (
    Attachment,
    Limits,
    Mount,
    Network,
    Readiness,
    Secret,
    Service,
    Stack,
    Volume,
)

LIMITS = Limits(cpus=Decimal("0.5"), memory_bytes=512 * 1024 * 1024, pids=100)
WEB = Service(
    name="web",
    image="registry.example/n8n:1.100.1",
    limits=LIMITS,
    networks=(
        Attachment("acme-1-front", address="10.64.0.14", aliases=("n8n",)),
        Attachment("acme-1-back"),
    ),
    command=("n8n", "start"),
    environment={"N8N_PORT": "5678", "DB_TYPE": "postgresdb"},
    secrets=(Secret("db_password", "s3cret"),),
    mounts=(Mount("acme-1-data", "/home/node/.n8n"),),
    depends_on=("db",),
    readiness=Readiness(("wget", "-q", "http://127.0.0.1:5678/healthz/readiness")),
    stop_grace=timedelta(seconds=9.5),
)
CACHE = Service(
    name="cache",
    image="redis:7",
    limits=LIMITS,
    networks=(Attachment("acme-1-back"),),
    secrets=(Secret("key", "s3cret"),),
    mounts=(Mount("acme-1-data", "/data", read_only=True),),
    tmpfs=("/tmp", "/run:size=1m,mode=1777"),
    entrypoint=("redis-server",),
    user="999:999",
    working_dir="/data",
    capabilities=("SETUID", "CHOWN"),
    read_only=True,
    init=False,
)
STACK = Stack(
    instance="i-1",
    project="acme-1",
    owner="berth-1",
    services=(WEB, CACHE),
    networks=(
        Network("acme-1-front", "10.64.0.0/28", internal=False),
        Network("acme-1-back", "10.64.0.16/28", internal=True),
    ),
    volumes=(Volume("acme-1-data"),),
)
OURS = {
    "berth.instance": "i-1",
    "berth.owner": "berth-1",
    "com.docker.compose.project": "acme-1",
}


def labels(service: Service) -> dict[str, str]:
    return OURS | {
        "berth.service": service.name,
        "berth.spec": service.spec_hash(),
        "berth.limits": (
            '{"Memory":536870912,"MemorySwap":536870912,"NanoCpus":500000000,"PidsLimit":100,'
            '"RestartPolicy":{"Name":"unless-stopped"}}'
        ),
        "com.docker.compose.service": service.name,
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": service.spec_hash(),
    }


def test_an_ordinary_service_becomes_this_body() -> None:
    assert container_body(STACK, WEB) == {
        "Image": "registry.example/n8n:1.100.1",
        "Cmd": ["n8n", "start"],
        "Env": ["DB_TYPE=postgresdb", "N8N_PORT=5678"],
        "Labels": labels(WEB),
        "Healthcheck": {
            "Test": ["CMD", "wget", "-q", "http://127.0.0.1:5678/healthz/readiness"],
            "Interval": 10_000_000_000,
            "Timeout": 5_000_000_000,
            "StartPeriod": 60_000_000_000,
            "Retries": 3,
        },
        "StopTimeout": 10,
        "HostConfig": {
            "NetworkMode": "acme-1-front",
            "CapDrop": ["ALL"],
            "CapAdd": [],
            "SecurityOpt": ["no-new-privileges:true"],
            "Privileged": False,
            "PublishAllPorts": False,
            "IpcMode": "private",
            "ReadonlyRootfs": False,
            "Init": True,
            "NanoCpus": 500_000_000,
            "Memory": 536_870_912,
            "MemorySwap": 536_870_912,
            "PidsLimit": 100,
            "LogConfig": {
                "Type": "json-file",
                "Config": {"max-size": "10485760", "max-file": "3"},
            },
            "RestartPolicy": {"Name": "unless-stopped"},
            "Tmpfs": {},
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": "acme-1-data",
                    "Target": "/home/node/.n8n",
                    "ReadOnly": False,
                }
            ],
        },
        "NetworkingConfig": {
            "EndpointsConfig": {
                "acme-1-front": {
                    "Aliases": ["web", "n8n"],
                    "IPAMConfig": {"IPv4Address": "10.64.0.14"},
                }
            }
        },
    }


def test_a_read_only_service_becomes_this_body() -> None:
    assert container_body(STACK, CACHE) == {
        "Image": "redis:7",
        "Entrypoint": ["redis-server"],
        "User": "999:999",
        "WorkingDir": "/data",
        "Env": [],
        "Labels": labels(CACHE),
        "Healthcheck": {"Test": ["NONE"]},
        "StopTimeout": 10,
        "HostConfig": {
            "NetworkMode": "acme-1-back",
            "CapDrop": ["ALL"],
            "CapAdd": ["CHOWN", "SETUID"],
            "SecurityOpt": ["no-new-privileges:true"],
            "Privileged": False,
            "PublishAllPorts": False,
            "IpcMode": "private",
            "ReadonlyRootfs": True,
            "Init": False,
            "NanoCpus": 500_000_000,
            "Memory": 536_870_912,
            "MemorySwap": 536_870_912,
            "PidsLimit": 100,
            "LogConfig": {
                "Type": "json-file",
                "Config": {"max-size": "10485760", "max-file": "3"},
            },
            "RestartPolicy": {"Name": "unless-stopped"},
            "Tmpfs": {"/tmp": "", "/run": "size=1m,mode=1777"},
            "Mounts": [
                {"Type": "volume", "Source": "acme-1-data", "Target": "/data", "ReadOnly": True},
                {
                    "Type": "volume",
                    "Source": "acme-1-cache-secrets",
                    "Target": "/run/secrets",
                    "ReadOnly": False,
                },
            ],
        },
        "NetworkingConfig": {
            "EndpointsConfig": {"acme-1-back": {"Aliases": ["cache"], "IPAMConfig": {}}}
        },
    }


def test_a_service_without_a_network_gets_none() -> None:
    alone = Service(name="job", image="redis:7", limits=LIMITS, networks=())
    body = container_body(STACK, alone)
    host = body["HostConfig"]
    assert isinstance(host, dict)
    assert host["NetworkMode"] == "none"
    assert body["NetworkingConfig"] == {"EndpointsConfig": {}}


def test_the_second_network_is_connected_under_the_service_name() -> None:
    assert endpoint_body(WEB, WEB.networks[1]) == {"Aliases": ["web"], "IPAMConfig": {}}


def test_a_network_becomes_this_body() -> None:
    assert network_body(STACK, STACK.networks[1]) == {
        "Name": "acme-1-back",
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.64.0.16/28"}]},
        "Labels": OURS | {"com.docker.compose.network": "acme-1-back"},
    }


def test_volumes_become_these_bodies() -> None:
    assert volume_body(STACK, "acme-1-data") == {
        "Name": "acme-1-data",
        "Driver": "local",
        "Labels": OURS | {"com.docker.compose.volume": "acme-1-data"},
    }
    assert secrets_volume_body(STACK, CACHE) == {
        "Name": "acme-1-cache-secrets",
        "Driver": "local",
        "Labels": OURS
        | {
            "com.docker.compose.volume": "acme-1-cache-secrets",
            "berth.secrets-of": "cache",
        },
    }


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, False),
        ({"read_only": True}, True),
        ({"tmpfs": ("/run",)}, True),
        ({"tmpfs": ("/run/secrets:size=1m",)}, True),
        ({"tmpfs": ("/run/lock", "/tmp")}, False),
        ({"mounts": (Mount("acme-1-data", "/run"),)}, True),
        ({"read_only": True, "secrets": ()}, False),
    ],
)
def test_secrets_get_a_volume_where_files_would_be_refused_or_hidden(
    fields: dict[str, object], wanted: bool
) -> None:
    base: dict[str, object] = {"secrets": (Secret("key", "s3cret"),)}
    service = Service("web", "redis:7", LIMITS, (), **(base | fields))  # type: ignore[arg-type]
    assert needs_secrets_volume(service) is wanted


def test_the_container_for_a_volume_can_do_nothing() -> None:
    body = volume_container_body(STACK, "img", "acme-1-data", "/place", read_only=True)
    common = labels(WEB)
    assert body == {
        "Image": "img",
        "Entrypoint": ["true"],
        "Cmd": [],
        "Labels": {
            "berth.instance": common["berth.instance"],
            "berth.owner": common["berth.owner"],
            "com.docker.compose.project": common["com.docker.compose.project"],
            "berth.service": "berth-volume.acme-1-data",
        },
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": "none",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "LogConfig": {"Type": "none"},
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": "acme-1-data",
                    "Target": "/place",
                    "ReadOnly": True,
                    "VolumeOptions": {"NoCopy": True},
                }
            ],
        },
    }


def test_no_body_holds_a_secret() -> None:
    bodies = [container_body(STACK, WEB), secrets_volume_body(STACK, CACHE), repr(STACK)]
    assert all("s3cret" not in str(body) for body in bodies)
