"""What a schema of single keys cannot see: whether the parts of a catalog file fit together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from hosting.catalog.berth_schema import Berth, template_names
from hosting.catalog.compose_schema import NetworkFile, SecretFile, ServiceFile, VolumeFile
from hosting.catalog.interpolation import BERTH_VARIABLES, Variable, variables
from hosting.catalog.journal import SUFFIX
from hosting.catalog.meters import BUILT_IN, LLM, LLM_METERS, Meter

_LONGEST_COUNTER = 150  # its usage is told apart by that and the time, in 200 characters

Place = tuple[str | int, ...]
Fault = tuple[Place, str]

SERVICES_A_NETWORK = 13
"""A /28 has 16 addresses: one names the network, one is the gateway, one broadcasts."""


class Parts(Protocol):
    """What is looked at of an app; the schema calls here, so that this can't know the schema."""

    @property
    def services(self) -> Mapping[str, ServiceFile]: ...
    @property
    def networks(self) -> Mapping[str, NetworkFile]: ...
    @property
    def volumes(self) -> Mapping[str, VolumeFile]: ...
    @property
    def secrets(self) -> Mapping[str, SecretFile]: ...
    @property
    def berth(self) -> Berth: ...
    @property
    def versions(self) -> Sequence[str]: ...
    @property
    def newest_version(self) -> str: ...


def faults(app: Parts) -> Iterator[Fault]:
    """Everything that does not fit, as the place in the file and one sentence."""
    yield from _networks(app)
    for name in app.services:
        yield from _references(app, name)
        yield from _duplicates(app, name)
    yield from _cycles(app)
    yield from _volume_names(app)
    yield from _unused(app)
    yield from _secrets(app)
    yield from _shares(app)
    yield from _web_and_metrics(app)
    yield from _meters(app)
    yield from _backup(app)
    yield from _variables(app)
    yield from _versions(app)


def _unknown(kind: str, name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"there is no {kind} {name}{hint}"


def _networks(app: Parts) -> Iterator[Fault]:
    for internal, word in ((False, "normal"), (True, "internal")):
        same = [name for name, each in app.networks.items() if each.internal is internal]
        if len(same) > 1:
            reason = f"an app has at most one {word} network, and {same[0]} is one already"
            yield ("networks", same[1]), reason
    for name in app.networks:
        inside = [each for each, service in app.services.items() if name in service.networks]
        if len(inside) > SERVICES_A_NETWORK:
            reason = f"holds at most {SERVICES_A_NETWORK} services, and {len(inside)} name it"
            yield ("networks", name), reason


def _references(app: Parts, name: str) -> Iterator[Fault]:
    service = app.services[name]
    place = ("services", name)
    for network in service.networks:
        if network not in app.networks:
            reason = _unknown("network", network, app.networks)
            yield (*place, "networks", network), reason
    for index, mount in enumerate(service.volumes):
        if mount.source not in app.volumes:
            yield (*place, "volumes", index), _unknown("volume", mount.source, app.volumes)
    for index, secret in enumerate(service.secrets):
        if secret.source not in app.secrets:
            yield (*place, "secrets", index), _unknown("secret", secret.source, app.secrets)
    yield from _dependencies(app, name)


def _dependencies(app: Parts, name: str) -> Iterator[Fault]:
    place = ("services", name, "depends_on")
    for other, dependency in app.services[name].depends_on.items():
        if other not in app.services:
            yield (*place, other), _unknown("service", other, app.services)
        elif dependency.condition == "service_healthy" and not app.services[other].healthcheck:
            reason = f"{other} has no healthcheck that could become healthy"
            yield (*place, other), reason


def _duplicates(app: Parts, name: str) -> Iterator[Fault]:
    service = app.services[name]
    targets = [mount.target.rstrip("/") for mount in service.volumes]
    for index, target in enumerate(targets):
        if target in targets[:index]:
            yield ("services", name, "volumes", index), f"{target} is mounted already"
    files = [secret.name for secret in service.secrets]
    for index, each in enumerate(files):
        if each in files[:index]:
            yield ("services", name, "secrets", index), f"/run/secrets/{each} is there already"


def _cycles(app: Parts) -> Iterator[Fault]:
    for name in app.services:
        path = _way_back(app, name)
        if path:
            yield ("services", name, "depends_on"), f"goes in a circle: {' -> '.join(path)}"
            return


def _way_back(app: Parts, start: str) -> list[str] | None:
    """The dependencies that lead from a service to itself."""
    paths = [[start]]
    seen: set[str] = set()
    while paths:
        path = paths.pop()
        for other in app.services[path[-1]].depends_on:
            if other == start:
                return [*path, start]
            if other in app.services and other not in seen:
                seen.add(other)
                paths.append([*path, other])
    return None


def _unused(app: Parts) -> Iterator[Fault]:
    services = app.services.values()
    mounted = {mount.source for service in services for mount in service.volumes}
    joined = {network for service in services for network in service.networks}
    for name in app.volumes.keys() - mounted:
        yield ("volumes", name), "no service mounts it"
    for name in app.networks.keys() - joined:
        yield ("networks", name), "no service is in it"


def _volume_names(app: Parts) -> Iterator[Fault]:
    """What is put back goes into volumes with such an ending: see ``builder.volume_name``."""
    for name in app.volumes:
        if re.search(r"-g\d+$", name):
            yield ("volumes", name), "must not end in -g and a number, as Berth's own copies do"
        if name.endswith(SUFFIX):
            yield ("volumes", name), f"must not end in {SUFFIX}, as Berth's own for databases do"


def _secrets(app: Parts) -> Iterator[Fault]:
    specs = app.berth.secrets
    yield from _templates(app)
    for name, secret in app.secrets.items():
        if name not in specs:
            yield ("secrets", name), "say in x-berth.secrets how it is generated"
        if secret.file != f"./secrets/{name}":
            reason = f"must be ./secrets/{name}, where plain Compose finds it"
            yield ("secrets", name, "file"), reason
    templated = {each for spec in specs.values() for each in template_names(spec.template or "")}
    for name in specs.keys() - app.secrets.keys() - templated:
        yield ("x-berth", "secrets", name), "is used nowhere; name it under secrets, or drop it"


def _templates(app: Parts) -> Iterator[Fault]:
    specs = app.berth.secrets
    for name, spec in specs.items():
        place = ("x-berth", "secrets", name, "template")
        for each in template_names(spec.template or ""):
            if each not in specs:
                yield place, _unknown("secret", each, specs)
            elif specs[each].template is not None:
                yield place, f"{each} is a template itself; name generated ones"


def _shares(app: Parts) -> Iterator[Fault]:
    shares = app.berth.shares
    for name in shares.keys() - app.services.keys():
        yield ("x-berth", "shares", name), _unknown("service", name, app.services)
    for name in app.services:
        if name not in shares:
            yield ("x-berth", "shares"), f"the service {name} has no share of the plan"
    for resource in ("cpus", "memory", "pids"):
        total = sum((getattr(each, resource) for each in shares.values()), Decimal(0))
        if total > 1:
            yield ("x-berth", "shares"), f"the shares of {resource} add up to {total}, above 1"


def _web_and_metrics(app: Parts) -> Iterator[Fault]:
    for key, part in (("web", app.berth.web), ("metrics", app.berth.metrics)):
        if part is not None and part.service not in app.services:
            reason = _unknown("service", part.service, app.services)
            yield ("x-berth", key, "service"), reason


def _meters(app: Parts) -> Iterator[Fault]:
    own = app.berth.meters
    for name, meter in own.items():
        same = BUILT_IN.get(name)
        if name == LLM or name in LLM_METERS:
            yield ("x-berth", "meters", name), "is Berth's own; give yours another name"
        elif same is not None and same.aggregation != meter.aggregation:
            reason = f"is Berth's own and a {same.aggregation}; give yours another name"
            yield ("x-berth", "meters", name), reason
    yield from _counted(app, {**BUILT_IN, **own})


def _counted(app: Parts, meters: Mapping[str, Meter]) -> Iterator[Fault]:
    """What is read of the app counts for meters that add up."""
    known = {name: each for name, each in meters.items() if name not in LLM_METERS}
    counters = app.berth.metrics.counters if app.berth.metrics else ()
    counted = [
        *((("metrics", "counters", index), each.meter) for index, each in enumerate(counters)),
        *((("runs", index), each.meter) for index, each in enumerate(app.berth.runs)),
    ]
    for place, meter in counted:
        if meter not in known:
            yield ("x-berth", *place, "meter"), _unknown("meter", meter, known)
        elif known[meter].aggregation != "sum":
            yield ("x-berth", *place, "meter"), f"{meter} must be a sum to be counted up"
    for index, runs in enumerate(app.berth.runs):
        if runs.service not in app.services:
            reason = _unknown("service", runs.service, app.services)
            yield ("x-berth", "runs", index, "service"), reason


def faults_of_a_file(app: Parts) -> Iterator[Fault]:
    """What is refused in a file only: instances and backups may hold it, and have to be readable.

    Where each counter stood, and up to when runs were told, is kept under one name.
    """
    counters = app.berth.metrics.counters if app.berth.metrics else ()
    names = [each.name for each in counters]
    for index, name in enumerate(names):
        place: Place = ("x-berth", "metrics", "counters", index)
        if len(name) > _LONGEST_COUNTER:
            reason = f"has {len(name)} characters, labels included; at most {_LONGEST_COUNTER}"
            yield place, reason
        elif name in names[:index]:
            yield place, f"{name} is counted already"
    meters = [each.meter for each in app.berth.runs]
    for index, meter in enumerate(meters):
        if meter in meters[:index]:
            yield ("x-berth", "runs", index, "meter"), f"{meter} has its runs already"


def _backup(app: Parts) -> Iterator[Fault]:
    backup = app.berth.backup
    place: Place = ("x-berth", "backup")
    for index, volume in enumerate(backup.volumes):
        if volume not in app.volumes:
            yield (*place, "volumes", index), _unknown("volume", volume, app.volumes)
    for index, secret in enumerate(backup.secrets):
        if secret not in app.berth.secrets:
            yield (*place, "secrets", index), _unknown("secret", secret, app.berth.secrets)
        elif app.berth.secrets[secret].generate == "usage_token":
            reason = f"{secret} is for one instance alone, and not for what is made from its backup"
            yield (*place, "secrets", index), reason
    named = [
        *((("postgres", i, "service"), each.service) for i, each in enumerate(backup.postgres)),
        *((("checks", i, "service"), each.service) for i, each in enumerate(backup.checks)),
        *((("redis", i), each) for i, each in enumerate(backup.redis)),
        *((("pause", i), each) for i, each in enumerate(backup.pause)),
    ]
    for where, service in named:
        if service not in app.services:
            yield (*place, *where), _unknown("service", service, app.services)


def texts(app: Parts) -> Iterator[tuple[Place, str]]:
    """Every text of the services in which variables work."""
    for name, service in app.services.items():
        place = ("services", name)
        yield (*place, "image"), service.image
        for key in ("command", "entrypoint"):
            for index, word in enumerate(getattr(service, key) or ()):
                yield (*place, key, index), word
        for variable, value in service.environment.items():
            yield (*place, "environment", variable), value
        if service.healthcheck:
            for index, word in enumerate(service.healthcheck.test):
                yield (*place, "healthcheck", "test", index), word


def _variables(app: Parts) -> Iterator[Fault]:
    used = set()
    for place, text in texts(app):
        try:
            found = list(variables(text))
        except ValueError as error:
            yield place, str(error)
            continue
        used |= {each.name for each in found}
        yield from _known_variables(app, place, found)
    for name in app.berth.settings:
        if name.startswith("BERTH_"):
            yield ("x-berth", "settings", name), "names that start with BERTH_ are Berth's own"
        elif name not in used:
            yield ("x-berth", "settings", name), f"is used nowhere; write ${{{name}:?}} where it is"


def _known_variables(app: Parts, place: Place, found: list[Variable]) -> Iterator[Fault]:
    known = {*BERTH_VARIABLES, *app.berth.settings}
    for each in found:
        if each.name not in known:
            yield place, _unknown("variable", each.name, known)
        elif each.name == "BERTH_VERSION" and each.operand != app.newest_version:
            newest = f"${{BERTH_VERSION:-{app.newest_version}}}"
            yield place, f"write {newest}, the newest of x-berth.versions"


def _versions(app: Parts) -> Iterator[Fault]:
    for index, version in enumerate(app.versions):
        if version in app.versions[:index]:
            yield ("x-berth", "versions", index), f"{version} is there twice"
