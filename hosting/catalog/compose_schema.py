"""The part of the Compose specification that Berth runs, in its normalised long form."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from hosting.catalog import refusals
from hosting.catalog.fields import (
    AbsolutePath,
    Count,
    Duration,
    Label,
    Name,
    Switch,
    Text,
    UserId,
)
from hosting.catalog.strict import Strict, at, wrong

CAPABILITIES = frozenset(
    {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"}
)
"""What cap_add may name: what entrypoints need that start as root and then give that up."""

_MOUNT_OPTIONS = {"ro": True, "rw": False}
_EXPOSED = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp))?")
_TMPFS_OPTIONS = re.compile(r"(?:size=[0-9]+[kmg]?|mode=[0-7]{3,4}|uid=[0-9]+|gid=[0-9]+)")


def _command(value: Any) -> Any:
    """Compose splits a text as a shell would; a list is taken as it is."""
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError as error:
            raise ValueError(f"cannot be split into words: {error}") from error
    return value


def _by_name(value: Any) -> Any:
    """A list of names is a mapping of names to nothing."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return dict.fromkeys(value)
    return value


def _environment(value: Any) -> Any:
    if isinstance(value, list):
        value = dict(_assignment(each) for each in value)
    if not isinstance(value, dict):
        raise wrong("must be a mapping, or a list of NAME=value")
    return {str(key): _environment_value(str(key), each) for key, each in value.items()}


def _assignment(value: Any) -> tuple[str, str | None]:
    name, separator, rest = str(value).partition("=")
    return name, rest if separator else None


def _environment_value(name: str, value: Any) -> str:
    if value is None:
        raise at(name, "Berth hands on nothing of its own environment; write the value")
    if isinstance(value, bool | Decimal):
        raise at(name, f'must be text: write "{str(value).lower()}" in quotes')
    if not isinstance(value, str | int):
        raise at(name, "must be text")
    return str(value)


def _items(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Command = Annotated[tuple[Annotated[str, Field(strict=True)], ...], BeforeValidator(_command)]


class ServiceVolume(Strict):
    """Where a service sees a named volume."""

    refused: ClassVar[Mapping[str, str]] = refusals.MOUNT

    type: Literal["volume"] = "volume"
    source: Name
    target: AbsolutePath
    read_only: Switch = False

    @classmethod
    def long_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return cls._parse(value)
        if isinstance(value, dict) and value.get("type") not in (None, "volume"):
            raise at("type", refusals.MOUNT["bind"])
        return value

    @classmethod
    def _parse(cls, value: str) -> dict[str, Any]:
        source, *rest = value.split(":")
        if not rest:
            raise ValueError(f"{value} has no name; write <volume>:{value}")
        if source.startswith(("/", ".", "~")) or "$" in source:
            raise ValueError(refusals.MOUNT["bind"])
        if len(rest) > 2 or (len(rest) == 2 and rest[1] not in _MOUNT_OPTIONS):
            raise ValueError(f"{value} must be <volume>:<path>, or <volume>:<path>:ro")
        read_only = len(rest) == 2 and _MOUNT_OPTIONS[rest[1]]
        return {"source": source, "target": rest[0], "read_only": read_only}


class ServiceSecret(Strict):
    """A secret that a service sees as the file /run/secrets/<target>."""

    refused: ClassVar[Mapping[str, str]] = refusals.SECRET_USE

    source: Name
    target: Name | None = None
    mode: Annotated[Count, Field(ge=0o400, le=0o777)] = 0o444

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {"source": value} if isinstance(value, str) else value

    @field_validator("target", mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return value.removeprefix("/run/secrets/") if isinstance(value, str) else value

    @property
    def name(self) -> str:
        """The file's name under /run/secrets."""
        return self.target or self.source


class ServiceNetwork(Strict):
    """A service's place in a network."""

    refused: ClassVar[Mapping[str, str]] = refusals.ATTACHMENT

    aliases: tuple[Label, ...] = ()

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {} if value is None else value


class Dependency(Strict):
    """What must hold of another service before this one starts."""

    condition: Literal["service_healthy", "service_started"] = "service_started"

    @classmethod
    def long_form(cls, value: Any) -> Any:
        if value is None:
            return {}
        if isinstance(value, dict):
            if value.get("condition") == "service_completed_successfully":
                raise at("condition", "Berth runs services that stay; put the work into the image")
            return {key: each for key, each in value.items() if (key, each) != ("required", True)}
        return value


class Healthcheck(Strict):
    """The command that exits 0 once the service can be used."""

    refused: ClassVar[Mapping[str, str]] = refusals.HEALTHCHECK

    test: tuple[Annotated[str, Field(strict=True)], ...]
    interval: Duration = timedelta(seconds=10)
    timeout: Duration = timedelta(seconds=5)
    retries: Annotated[Count, Field(ge=1, le=100)] = 3
    start_period: Duration = timedelta(seconds=60)

    @field_validator("test", mode="before")
    @classmethod
    def _test(cls, value: Any) -> Any:
        if isinstance(value, str):
            return ("CMD-SHELL", value)
        if isinstance(value, list | tuple) and list(value[:1]) == ["NONE"]:
            raise ValueError("leave healthcheck out instead of NONE")
        return value

    @field_validator("test")
    @classmethod
    def _form(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value[:1] == ("CMD",) and len(value) > 1:
            return value
        if value[:1] == ("CMD-SHELL",) and len(value) == 2:
            return value
        raise ValueError('must be text, ["CMD", program, ...] or ["CMD-SHELL", text]')

    @property
    def command(self) -> tuple[str, ...]:
        """The words to run inside the container."""
        return self.test[1:] if self.test[0] == "CMD" else ("/bin/sh", "-c", self.test[1])


class ServiceFile(Strict):
    """One service of a catalog file."""

    refused: ClassVar[Mapping[str, str]] = refusals.SERVICE

    image: Text
    command: Command | None = None
    entrypoint: Command | None = None
    environment: Annotated[dict[Text, str], BeforeValidator(_environment)] = Field(
        default_factory=dict
    )
    secrets: tuple[ServiceSecret, ...] = ()
    volumes: tuple[ServiceVolume, ...] = ()
    networks: Annotated[dict[Label, ServiceNetwork], BeforeValidator(_by_name)]
    depends_on: Annotated[dict[Label, Dependency], BeforeValidator(_by_name)] = Field(
        default_factory=dict
    )
    healthcheck: Healthcheck | None = None
    user: UserId | None = None
    working_dir: AbsolutePath | None = None
    cap_add: tuple[Text, ...] = ()
    read_only: Switch = False
    tmpfs: Annotated[tuple[Text, ...], BeforeValidator(_items)] = ()
    init: Switch = True
    stop_grace_period: Duration = timedelta(seconds=10)
    expose: tuple[str, ...] = ()

    @classmethod
    def long_form(cls, value: Any) -> Any:
        if isinstance(value, dict) and not value.get("networks"):
            raise ValueError("needs networks: a service is reached through the networks it names")
        return value

    @field_validator("user", mode="before")
    @classmethod
    def _user(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("cap_add")
    @classmethod
    def _capabilities(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, each in enumerate(value):
            if each.removeprefix("CAP_") not in CAPABILITIES:
                allowed = ", ".join(sorted(CAPABILITIES))
                raise at(index, f"{each} is not allowed; allowed are {allowed}")
        return tuple(each.removeprefix("CAP_") for each in value)

    @field_validator("expose", mode="before")
    @classmethod
    def _exposed(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise wrong("must be a list of ports")
        for index, each in enumerate(value):
            if not _EXPOSED.fullmatch(str(each)):
                raise at(index, f"{each} is not a port such as 8000 or 8000/tcp")
        return tuple(str(each) for each in value)

    @field_validator("tmpfs")
    @classmethod
    def _tmpfs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, each in enumerate(value):
            path, _, options = each.partition(":")
            known = all(_TMPFS_OPTIONS.fullmatch(part) for part in options.split(",") if part)
            if not path.startswith("/") or not known:
                raise at(index, f"{each} must be a path, with size, mode, uid or gid after a colon")
        return value


class NetworkFile(Strict):
    """A network of the file; an internal one has no way out."""

    refused: ClassVar[Mapping[str, str]] = refusals.NETWORK

    internal: Switch = False

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {} if value is None else value


class VolumeFile(Strict):
    """A named volume of the file; it has no options."""

    refused: ClassVar[Mapping[str, str]] = refusals.VOLUME

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {} if value is None else value


class SecretFile(Strict):
    """A secret of the file, which plain Compose reads from a file beside it."""

    refused: ClassVar[Mapping[str, str]] = refusals.SECRET

    file: Text
