"""From an instance's rows to its stack. Only workers build it, for it holds secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from pydantic import ValidationError

from hosting.catalog.builder import StackContext, build_stack, web_address
from hosting.catalog.errors import BuildError
from hosting.catalog.schema import App
from hosting.engines.errors import GiveUp
from hosting.engines.wanted import Stack
from hosting.models import Instance
from hosting.selectors.instances import hostname, public_url


def definition(instance: Instance) -> App:
    """The catalog entry that the instance was ordered with. Raises ``GiveUp``."""
    return read_definition(instance.definition)


def read_definition(written: Mapping[str, Any]) -> App:
    """A catalog entry as an instance or a backup keeps it. Raises ``GiveUp``."""
    try:
        return App.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(each) for each in first["loc"])
        raise GiveUp(
            f"this Berth can't read the instance's definition: {where}: {first['msg']}"
        ) from error


def build(instance: Instance) -> Stack:
    """The whole stack, secrets included, on what the instance stands on.

    Raises ``GiveUp`` where a value is missing.
    """
    plan = instance.plan
    url = public_url(_named_as(instance))
    context = StackContext(
        instance=str(instance.pk),
        project=instance.project,
        owner=settings.BERTH_OWNER,
        cpus=plan.cpus,
        memory_bytes=plan.memory_bytes,
        pids=plan.processes,
        secrets={secret.name: secret.reveal() for secret in instance.secrets.all()},
        subnet=instance.subnet.cidr,
        image_prefix=settings.BERTH_IMAGE_PREFIX,
        settings=settings.BERTH_APP_SETTINGS,
        hostname=urlsplit(url).hostname or "",
        public_url=url,
        timezone=instance.client.timezone,
        images=instance.image_pins,
        generation=instance.generation,
        is_closed=instance.is_scratch,
        journal_bytes=0 if instance.is_scratch else plan.journal_bytes,
    )
    try:
        return build_stack(definition(instance), version=instance.version, context=context)
    except BuildError as error:
        raise GiveUp(str(error)) from error


def public_name(instance: Instance) -> str:
    """The name by which the app knows itself."""
    return hostname(_named_as(instance))


def _named_as(instance: Instance) -> Instance:
    """One that only tries a backup has no name of its own, and is asked under the saved one's."""
    if instance.is_scratch and instance.made_from is not None:
        return instance.made_from.instance
    return instance


def upstream(instance: Instance, stack: Stack) -> tuple[str, int]:
    """Address and port of the instance's web service, for the edge."""
    return web_address(definition(instance), stack)


def readiness_path(instance: Instance) -> str:
    """The path of the app's web service that answers 2xx once the app can be used."""
    return definition(instance).berth.web.readiness


def readiness_type(instance: Instance) -> str:
    """The media type of that path's answer, empty where any will do."""
    return definition(instance).berth.web.readiness_type or ""
