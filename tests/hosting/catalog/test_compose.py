import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hosting.catalog.builder import StackContext, build_stack
from hosting.catalog.compose import to_compose
from hosting.catalog.credentials import generate, generated_secrets
from hosting.catalog.loader import BUILT_IN, load_app
from hosting.catalog.schema import App
from hosting.engines.wanted import Secret, Stack


@pytest.fixture
def stack(guestbook: App, context: StackContext) -> Stack:
    return build_stack(guestbook, version="1", context=context)


def read_by_compose(directory: Path, stack: Stack) -> dict[str, Any]:
    """What docker-compose makes of the written file."""
    document, files = to_compose(stack)
    (directory / "secrets").mkdir()
    for name, content in files.items():
        (directory / name).write_text(content)
    (directory / "docker-compose.yml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        ["docker-compose", "config"],
        cwd=directory,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = yaml.safe_load(done.stdout)
    return read


def test_it_writes_a_service_whole(stack: Stack) -> None:
    document, files = to_compose(stack)

    assert document["services"]["redis"] == {
        "image": "berth.local/redis:7",
        "command": ["redis-server", "/run/secrets/redis_conf"],
        "secrets": [
            {"source": "redis_conf", "target": "redis_conf"},
            {"source": "redis_password", "target": "redis_password"},
        ],
        "volumes": ["redis:/data"],
        "tmpfs": ["/tmp"],
        "networks": {"backend": {}},
        "healthcheck": {
            "test": [
                "CMD",
                "/bin/sh",
                "-c",
                'REDISCLI_AUTH="$$(cat /run/secrets/redis_password)" redis-cli ping | grep -q PONG',
            ],
            "interval": "5s",
            "timeout": "5s",
            "retries": 3,
            "start_period": "60s",
        },
        "user": "999:999",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "init": True,
        "stop_grace_period": "10s",
        "restart": "unless-stopped",
        "cpus": 0.2,
        "mem_limit": 200_000_000,
        "memswap_limit": 200_000_000,
        "pids_limit": 40,
        "logging": {
            "driver": "json-file",
            "options": {"max-size": "10485760", "max-file": "3"},
        },
    }
    assert files == {
        "secrets/postgres_password": "pg-secret",
        "secrets/redis_password": "redis-secret",
        "secrets/secret_key": "key-secret",
        "secrets/redis_conf": 'requirepass redis-secret\ndir /data\nappendonly yes\nsave ""\n',
    }


def test_it_writes_the_rest_of_the_file(stack: Stack) -> None:
    document, _ = to_compose(stack)

    assert document["networks"] == {"front": {}, "backend": {"internal": True}}
    assert document["volumes"] == {"data": {}, "postgres": {}, "redis": {}}
    assert document["secrets"]["redis_conf"] == {"file": "./secrets/redis_conf"}
    assert document["services"]["web"]["depends_on"] == {
        "db": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }


def test_it_keeps_addresses_and_publishes_ports_when_asked(stack: Stack) -> None:
    document, _ = to_compose(stack, fixed_addresses=True, ports={"web": "127.0.0.1:8000:8000"})

    assert document["services"]["web"]["networks"] == {
        "front": {"ipv4_address": "10.83.0.34"},
        "backend": {"ipv4_address": "10.83.0.50"},
    }
    assert document["services"]["web"]["ports"] == ["127.0.0.1:8000:8000"]
    assert document["networks"]["backend"] == {
        "internal": True,
        "ipam": {"config": [{"subnet": "10.83.0.48/28"}]},
    }


def test_two_contents_of_one_name_become_two_files(stack: Stack) -> None:
    web, db, redis = stack.services
    other = replace(db, secrets=(Secret("postgres_password", "other"),))
    document, files = to_compose(replace(stack, services=(web, other, redis)))

    assert files["secrets/web-postgres_password"] == "pg-secret"
    assert files["secrets/db-postgres_password"] == "other"
    assert document["services"]["db"]["secrets"] == [
        {"source": "db-postgres_password", "target": "postgres_password"}
    ]


def test_no_secret_stands_in_the_file_itself(stack: Stack) -> None:
    document, files = to_compose(stack)

    text = json.dumps(document)
    assert not [value for value in files.values() if value in text]


@pytest.mark.parametrize("slug", ["n8n", "n8n-queue", "flowise", "automatos"])
def test_compose_reads_what_was_written(slug: str, context: StackContext, tmp_path: Path) -> None:
    app = load_app(BUILT_IN / f"{slug}.yaml")
    values = {name: generate(spec) for name, spec in generated_secrets(app).items()}
    images: Mapping[str, str] = dict.fromkeys(app.berth.settings, "image:1")
    stack = build_stack(
        app,
        version=app.newest_version,
        context=replace(context, secrets=values, settings=images),
    )

    read = read_by_compose(tmp_path, stack)

    for service in stack.services:
        found = read["services"][service.name]
        environment = {
            key: text.replace("$$", "$") for key, text in found.get("environment", {}).items()
        }
        assert environment == dict(service.environment)
        assert [text.replace("$$", "$") for text in found.get("entrypoint", [])] == list(
            service.entrypoint or ()
        )
        assert found["image"] == service.image
        assert int(found["mem_limit"]) == service.limits.memory_bytes
        assert found["pids_limit"] == service.limits.pids
        assert found["user"] == service.user
