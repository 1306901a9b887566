"""The ``x-berth`` block: what Compose has no word for."""

from __future__ import annotations

from decimal import Decimal
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from hosting.catalog.fields import (
    AbsolutePath,
    Count,
    Label,
    MediaType,
    MeterName,
    Name,
    Number,
    PlainPath,
    SeriesName,
    SettingName,
    Tag,
    Text,
    WebAddress,
)
from hosting.catalog.meters import Meter
from hosting.catalog.strict import Strict

Port = Annotated[Count, Field(ge=1, le=65535)]
UrlPath = AbsolutePath
_SHORTEST = {"alphanumeric": 16, "hex": 32, "base64": 16, "password": 16}


class Version(Strict):
    """A version that can be ordered; it stands in images as ``${BERTH_VERSION:-...}``."""

    version: Tag


class SecretSpec(Strict):
    """How a secret comes about: generated, or a text that holds generated ones.

    ``length`` counts characters, for base64 the random bytes; a usage token, with which the app
    reports what it used, has its own length. In a template ``{name}`` stands for
    the generated secret of that name, ``{{`` and ``}}`` for braces.
    """

    generate: Literal["alphanumeric", "hex", "base64", "password", "usage_token"] | None = None
    length: Annotated[Count, Field(le=256)] = 32
    template: Text | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> SecretSpec:
        if (self.generate is None) == (self.template is None):
            raise ValueError("needs either generate or template")
        least = _SHORTEST.get(self.generate or "", 0)
        if self.length < least:
            raise ValueError(f"length {self.length} can be guessed; {least} is the least")
        return self

    @field_validator("template")
    @classmethod
    def _parseable(cls, value: str | None) -> str | None:
        if value is not None:
            template_names(value)
        return value


def template_names(template: str) -> tuple[str, ...]:
    """The secrets that a template holds. Raises ``ValueError`` for anything but ``{name}``."""
    names = []
    try:
        for _, name, form, conversion in Formatter().parse(template):
            if name is None:
                continue
            if not name.isidentifier() or form or conversion:
                raise ValueError(f"{{{name}}} must be the bare name of a secret")
            names.append(name)
    except ValueError as error:
        raise ValueError(f"is no template: {error}; write {{{{ and }}}} for braces") from error
    return tuple(names)


class Web(Strict):
    """The service and port that the edge reaches, and the path that says it can be used.

    ``readiness_type`` is the media type of that answer, for apps that answer everything with a
    page and 200 while they start.
    """

    service: Label
    port: Port
    readiness: UrlPath
    readiness_type: MediaType | None = None


class Share(Strict):
    """A service's part of the plan's CPU, memory and processes; one number stands for all three."""

    cpus: Annotated[Number, Field(gt=0, le=1)]
    memory: Annotated[Number, Field(gt=0, le=1)]
    pids: Annotated[Number, Field(gt=0, le=1)]

    @classmethod
    def long_form(cls, value: Any) -> Any:
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return {"cpus": value, "memory": value, "pids": value}
        return value


class Minimum(Strict):
    """The smallest plan that the app can run on."""

    memory_mb: Annotated[Count, Field(ge=1)]
    cpus: Annotated[Number, Field(gt=0)]
    disk_gb: Annotated[Count, Field(ge=1)]


class BackupDatabase(Strict):
    """A PostgreSQL database, dumped by that user inside that service."""

    service: Label
    database: Name
    user: Name


class BackupCheck(Strict):
    """A query that gives one number; a restored backup must give the number of the manifest."""

    name: Text
    service: Label
    database: Name
    sql: Text


class Backup(Strict):
    """What a backup must hold so that the app can be brought back from it alone.

    ``pause`` names services to stop while it is taken; ``redis`` the services whose keys are state.
    """

    postgres: tuple[BackupDatabase, ...] = ()
    volumes: tuple[Name, ...] = ()
    redis: tuple[Label, ...] = ()
    secrets: tuple[Name, ...] = ()
    pause: tuple[Label, ...] = ()
    order: tuple[Literal["postgres", "redis", "volumes"], ...] = ("postgres", "redis", "volumes")
    checks: tuple[BackupCheck, ...] = ()


class Counter(Strict):
    """A counter of the app's, what it counts for, and as which part of that.

    ``where`` names labels that a sample must have; samples that differ in others are added up.
    """

    series: SeriesName
    where: dict[Name, Text] = Field(default_factory=dict)
    meter: MeterName
    label: Annotated[str, Field(max_length=100)] = ""

    @property
    def name(self) -> str:
        """As Prometheus writes it, labels in order: what is remembered of it goes by that."""
        where = ",".join(f'{label}="{text}"' for label, text in sorted(self.where.items()))
        return f"{self.series}{{{where}}}" if where else self.series


class Metrics(Strict):
    """Where the app tells Prometheus what it did, and which of that is counted.

    ``started`` names the series that says when the app's process began, by which counters are known
    to have begun anew. The edge closes that path where it is at the web service.
    """

    service: Label
    port: Port
    path: PlainPath = "/metrics"
    counters: tuple[Counter, ...] = ()
    started: SeriesName | None = None


class Runs(Strict):
    """A query of the app's own PostgreSQL that tells how long its runs took.

    A row for each run that ended: what it is called, when it ended, the seconds, and a label.
    """

    service: Label
    database: Name
    user: Name
    meter: MeterName
    sql: Text


class Berth(Strict):
    """Everything in a catalog file that Compose has no word for."""

    title: Text
    description: Text
    category: Text
    homepage: WebAddress
    icon: Name
    versions: Annotated[tuple[Version, ...], Field(min_length=1)]
    web: Web
    shares: dict[Label, Share]
    minimum: Minimum
    secrets: dict[Name, SecretSpec] = Field(default_factory=dict)
    settings: dict[SettingName, Text] = Field(default_factory=dict)
    backup: Backup = Backup()
    metrics: Metrics | None = None
    runs: tuple[Runs, ...] = ()
    meters: dict[MeterName, Meter] = Field(default_factory=dict)
    usage_paths: tuple[PlainPath, ...] = ()
    smoke: tuple[UrlPath, ...] = ()

    @field_validator("description")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if "\n" in value.strip():
            raise ValueError("must be one sentence on one line")
        return value.strip()
