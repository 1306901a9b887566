"""From an app and an instance's values to the stack that an engine runs: pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

from hosting.catalog import journal
from hosting.catalog.addresses import network_subnets, service_addresses
from hosting.catalog.coherence import texts
from hosting.catalog.compose_schema import ServiceFile
from hosting.catalog.credentials import render_secrets
from hosting.catalog.errors import BuildError
from hosting.catalog.interpolation import interpolate, variables
from hosting.catalog.schema import App
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

_CPU_STEP = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class StackContext:
    """What an instance adds to its app.

    ``cpus``, ``memory_bytes`` and ``pids`` are the plan's; ``secrets`` the generated values by
    name; ``subnet`` a /27 in CIDR; ``settings`` the operator's values for x-berth.settings;
    ``images`` replaces an image, by the name it has with its prefix, by a pinned one;
    ``generation`` says which of its sets of data volumes it runs on.
    ``is_closed`` lets nothing out of any of its networks.
    ``variables`` replaces what Berth would set, by name.
    ``journal_bytes`` is how much of each database's journal may wait on the server for being
    fetched; 0 keeps none.
    """

    instance: str
    project: str
    owner: str
    cpus: Decimal
    memory_bytes: int
    pids: int
    subnet: str
    hostname: str
    public_url: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"
    image_prefix: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1
    is_closed: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    journal_bytes: int = 0


def build_stack(app: App, *, version: str, context: StackContext) -> Stack:
    """The stack of one instance. Raises ``BuildError`` with one sentence where a value is missing.

    A version that has left the file can still be built: an instance keeps running what it has.
    """
    builder = _Builder(app, version, context)
    return Stack(
        instance=context.instance,
        project=context.project,
        owner=context.owner,
        services=tuple(builder.service(name) for name in app.services),
        networks=tuple(builder.network(name) for name in app.networks),
        volumes=(
            *(Volume(builder.volume(name)) for name in app.volumes),
            *(Volume(builder.journal(name), is_spare=True) for name in builder.with_journal),
        ),
    )


def databases(app: App) -> tuple[str, ...]:
    """The services that are databases to be saved, each once."""
    return tuple(dict.fromkeys(each.service for each in app.berth.backup.postgres))


def journal_volume(project: str, service: str, generation: int) -> str:
    """The name on the server of the volume with the journal of that database service."""
    return volume_name(project, f"{service}{journal.SUFFIX}", generation)


def volume_name(project: str, name: str, generation: int) -> str:
    """A volume's name on the server. The first generation's has no number in it."""
    return f"{project}-{name}" + (f"-g{generation}" if generation > 1 else "")


def web_address(app: App, stack: Stack) -> tuple[str, int]:
    """The address and port at which the edge finds the app: in its normal network if it has one."""
    internal = {network.name for network in stack.networks if network.internal}
    attachments = stack.service(app.berth.web.service).networks
    best = min(attachments, key=lambda each: each.network in internal)
    if best.address is None:
        raise BuildError(f"the web service of {stack.project} has no fixed address")
    return best.address, app.berth.web.port


def availability(app: App, settings: Mapping[str, str]) -> str | None:
    """Why the app cannot be ordered yet, in one sentence; None when it can."""
    for name, description in app.berth.settings.items():
        if not settings.get(name) and _is_required(app, name):
            return f"{app.title} cannot be ordered until {name} is set: {description}"
    return None


def _is_required(app: App, setting: str) -> bool:
    """A setting with a default wherever it is used may stay unset."""
    used = (each for _, text in texts(app) for each in variables(text))
    return any(each.name == setting and not each.has_default for each in used)


def berth_variables(version: str, context: StackContext) -> Mapping[str, str]:
    """The variables that Berth sets for every instance."""
    scheme = context.public_url.partition("://")[0]
    return {
        "BERTH_PUBLIC_URL": context.public_url,
        "BERTH_PUBLIC_SCHEME": scheme,
        "BERTH_SECURE_COOKIE": "true" if scheme == "https" else "false",
        "BERTH_HOSTNAME": context.hostname,
        "BERTH_TIMEZONE": context.timezone,
        "BERTH_VERSION": version,
        "BERTH_INSTANCE": context.instance,
    }


class _Builder:
    """Builds the parts of one stack from what was worked out once."""

    def __init__(self, app: App, version: str, context: StackContext) -> None:
        self._app = app
        self._context = context
        own = berth_variables(version, context)
        self._values = {**context.settings, **own, **context.variables}
        self._secrets = render_secrets(app, context.secrets)
        self._subnets = network_subnets(app, context.subnet)
        self._addresses = service_addresses(app, self._subnets)
        self.with_journal = databases(app) if context.journal_bytes else ()

    def named(self, name: str) -> str:
        """An object's name on the server."""
        return f"{self._context.project}-{name}"

    def volume(self, name: str) -> str:
        """A volume's name on the server, of the generation that is built."""
        return volume_name(self._context.project, name, self._context.generation)

    def journal(self, service: str) -> str:
        """The volume with the journal of that service, of the generation that is built."""
        return journal_volume(self._context.project, service, self._context.generation)

    def network(self, name: str) -> Network:
        subnet = str(self._subnets[name])
        is_internal = self._context.is_closed or self._app.networks[name].internal
        return Network(self.named(name), subnet, internal=is_internal)

    def service(self, name: str) -> Service:
        service = self._plain(name)
        if name not in self.with_journal:
            return service
        return journal.with_journal(
            service,
            volume=self.journal(name),
            generation=self._context.generation,
            limit_bytes=self._context.journal_bytes,
        )

    def _plain(self, name: str) -> Service:
        file = self._app.services[name]
        return Service(
            name=name,
            image=self._image(file.image),
            limits=self._limits(name),
            networks=self._attachments(name, file),
            command=self._words(file.command),
            entrypoint=self._words(file.entrypoint),
            environment={key: self._text(value) for key, value in file.environment.items()},
            secrets=self._secret_files(file),
            mounts=tuple(
                Mount(self.volume(each.source), each.target, each.read_only)
                for each in file.volumes
            ),
            tmpfs=file.tmpfs,
            depends_on=tuple(file.depends_on),
            readiness=self._readiness(file),
            user=file.user,
            working_dir=file.working_dir,
            capabilities=file.cap_add,
            read_only=file.read_only,
            init=file.init,
            stop_grace=file.stop_grace_period,
        )

    def _text(self, text: str) -> str:
        return interpolate(text, self._values)

    def _words(self, words: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if words is None else tuple(self._text(word) for word in words)

    def _image(self, text: str) -> str:
        image = self._text(text)
        if not image:
            raise BuildError(f"{self._app.slug} names no image in {text}")
        image = prefixed(image, self._context.image_prefix)
        return self._context.images.get(image, image)

    def _limits(self, name: str) -> Limits:
        share, context = self._app.berth.shares[name], self._context
        return Limits(
            cpus=(context.cpus * share.cpus).quantize(_CPU_STEP, ROUND_DOWN),
            memory_bytes=int(context.memory_bytes * share.memory),
            pids=int(context.pids * share.pids),
        )

    def _attachments(self, name: str, file: ServiceFile) -> tuple[Attachment, ...]:
        return tuple(
            Attachment(self.named(network), self._addresses[name, network], each.aliases)
            for network, each in file.networks.items()
        )

    def _secret_files(self, file: ServiceFile) -> tuple[Secret, ...]:
        return tuple(
            Secret(each.name, self._secrets[each.source], each.mode) for each in file.secrets
        )

    def _readiness(self, file: ServiceFile) -> Readiness | None:
        check = file.healthcheck
        if check is None:
            return None
        return Readiness(
            command=tuple(self._text(word) for word in check.command),
            interval=check.interval,
            timeout=check.timeout,
            retries=check.retries,
            start_period=check.start_period,
        )


def prefixed(image: str, prefix: str) -> str:
    """The image as a mirror names it; one that names its registry already keeps its name."""
    first, separator, _ = image.partition("/")
    names_registry = bool(separator) and (first == "localhost" or "." in first or ":" in first)
    return f"{prefix.rstrip('/')}/{image}" if prefix and not names_registry else image
