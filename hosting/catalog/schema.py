"""An app of the catalog: a whole catalog file, validated."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, ValidationInfo, model_validator

from hosting.catalog import refusals
from hosting.catalog.berth_schema import (
    Backup,
    BackupCheck,
    BackupDatabase,
    Berth,
    Metrics,
    Minimum,
    SecretSpec,
    Share,
    Version,
    Web,
)
from hosting.catalog.coherence import faults, faults_of_a_file
from hosting.catalog.compose_schema import (
    Dependency,
    Healthcheck,
    NetworkFile,
    SecretFile,
    ServiceFile,
    ServiceNetwork,
    ServiceSecret,
    ServiceVolume,
    VolumeFile,
)
from hosting.catalog.fields import Label, Name
from hosting.catalog.strict import Strict, at_place

__all__ = [
    "App",
    "Backup",
    "BackupCheck",
    "BackupDatabase",
    "Berth",
    "Dependency",
    "Healthcheck",
    "Metrics",
    "Minimum",
    "NetworkFile",
    "SecretFile",
    "SecretSpec",
    "ServiceFile",
    "ServiceNetwork",
    "ServiceSecret",
    "ServiceVolume",
    "Share",
    "Version",
    "VolumeFile",
    "Web",
]

FROM_A_FILE = "file"


class App(Strict):
    """An app that can be ordered.

    ``App.model_validate(app.model_dump(mode="json")) == app``: an instance keeps that snapshot of
    its definition, so that a changed file changes no instance unasked. A file is validated with
    the context ``FROM_A_FILE``; what is kept already is held to fewer rules.
    """

    refused: ClassVar = refusals.TOP

    slug: Label
    services: Annotated[dict[Label, ServiceFile], Field(min_length=1)]
    networks: dict[Label, NetworkFile] = Field(default_factory=dict)
    volumes: dict[Name, VolumeFile] = Field(default_factory=dict)
    secrets: dict[Name, SecretFile] = Field(default_factory=dict)
    berth: Annotated[Berth, Field(alias="x-berth")]

    @classmethod
    def long_form(cls, value: Any) -> Any:
        """Without the extension blocks (``x-...``) that hold no more than YAML anchors."""
        if not isinstance(value, dict):
            return value
        return {k: v for k, v in value.items() if k == "x-berth" or not k.startswith("x-")}

    @model_validator(mode="after")
    def _coherent(self, info: ValidationInfo) -> Self:
        is_file = info.context == FROM_A_FILE
        fault = next(chain(faults(self), faults_of_a_file(self) if is_file else ()), None)
        if fault:
            raise at_place(*fault)
        return self

    @property
    def title(self) -> str:
        return self.berth.title

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that can be ordered, newest first."""
        return tuple(each.version for each in self.berth.versions)

    @property
    def newest_version(self) -> str:
        return self.versions[0]
