"""An app as plain Compose files, to run anywhere without Berth: pure functions.

What depends on the place where it runs (the address, the port, where images come from) stays a
variable, with a default in the file and a value beside it in ``.env``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

from hosting.catalog.builder import StackContext, build_stack
from hosting.catalog.compose import to_compose
from hosting.catalog.schema import App

COMPOSE = "compose.yaml"
SETTINGS = ".env"
_LOWEST_PORT = 1024
# Around a variable until all else is written: characters that no text has.
_OPEN, _CLOSE = "\ue000", "\ue001"


@dataclass(frozen=True, slots=True)
class Origin:
    """What the files are of. ``secrets`` are the generated values; ``images`` is what ran, by name;
    ``settings`` the operator's values for x-berth.settings; ``name`` becomes Compose's project.
    """

    app: App
    version: str
    name: str
    instance: str
    timezone: str
    secrets: Mapping[str, str] = field(repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)


def local_port(app: App) -> int:
    """The port of this machine on which the app is published."""
    port = app.berth.web.port
    return port if port >= _LOWEST_PORT else 8000 + port


def compose_files(origin: Origin) -> Mapping[str, str]:
    """The files by path: the Compose file, its settings and the secrets. Raises ``BuildError``."""
    app, place = origin.app, _place(origin.app)
    context = StackContext(
        instance=origin.instance,
        project=origin.name,
        owner="",
        cpus=Decimal(1),  # no limits and no subnets are written
        memory_bytes=0,
        pids=0,
        subnet="10.0.0.0/27",
        hostname=place["APP_HOST"],
        public_url=place["APP_URL"],
        secrets=origin.secrets,
        settings=origin.settings,
        timezone=origin.timezone,
        image_prefix=_variable("IMAGE_PREFIX", place),
        variables={
            "BERTH_PUBLIC_URL": _variable("APP_URL", place),
            "BERTH_PUBLIC_SCHEME": _variable("APP_SCHEME", place),
            "BERTH_SECURE_COOKIE": _variable("APP_SECURE_COOKIE", place),
            "BERTH_HOSTNAME": _variable("APP_HOST", place),
        },
    )
    stack = build_stack(app, version=origin.version, context=context)
    publish = f"{_variable('APP_BIND', place)}:{_variable('APP_PORT', place)}:{app.berth.web.port}"
    document, secrets = to_compose(stack, ports={app.berth.web.service: publish}, limits=False)
    return {
        COMPOSE: _head(origin) + _yaml(document),
        SETTINGS: _settings(origin, place),
        **secrets,
    }


def _place(app: App) -> Mapping[str, str]:
    port = str(local_port(app))
    return {
        "APP_BIND": "127.0.0.1",
        "APP_PORT": port,
        "APP_URL": f"http://localhost:{port}",
        "APP_SCHEME": "http",
        "APP_HOST": "localhost",
        "APP_SECURE_COOKIE": "false",
        "IMAGE_PREFIX": "docker.io",
    }


def _variable(name: str, place: Mapping[str, str]) -> str:
    return f"{_OPEN}{name}:-{place[name]}{_CLOSE}"


def _yaml(document: Mapping[str, Any]) -> str:
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
    return text.replace(_OPEN, "${").replace(_CLOSE, "}")


def _head(origin: Origin) -> str:
    lines = [f"{origin.app.title} {origin.version}, to be run with Docker Compose. See README.md."]
    if origin.images:
        lines += ["", "Exactly these images ran:"]
        lines += [f"  {name} was {pinned}" for name, pinned in sorted(origin.images.items())]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _settings(origin: Origin, place: Mapping[str, str]) -> str:
    return f"""\
# What Docker Compose calls the app's containers and volumes.
COMPOSE_PROJECT_NAME={origin.name}

# Where it listens on this machine.
APP_BIND={place["APP_BIND"]}
APP_PORT={place["APP_PORT"]}

# The address that people open. Behind a proxy with https: https://..., https, its name, true.
APP_URL={place["APP_URL"]}
APP_SCHEME={place["APP_SCHEME"]}
APP_HOST={place["APP_HOST"]}
APP_SECURE_COOKIE={place["APP_SECURE_COOKIE"]}

# The registry that images without one in their name come from.
IMAGE_PREFIX={place["IMAGE_PREFIX"]}
"""
