"""System checks of this room: what must be right before Berth starts."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from tenants.crypto import MasterKeyError, encrypted_fields, examine_master_key
from tenants.crypto.master import keyring
from tenants.middleware import UNIX_SOCKET

Apps = Sequence[AppConfig] | None


@register(Tags.security)
def check_master_key(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """BERTH_MASTER_KEY can be read."""
    try:
        keyring()
    except MasterKeyError as error:
        return [Error(str(error), id="tenants.E001")]
    return []


@register(Tags.database)
def check_master_key_fits(
    app_configs: Apps, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """BERTH_MASTER_KEY is the one that the database was written with (``check --database``)."""
    if connection.alias not in (databases or ()):
        return []
    problem = examine_master_key()
    return [Error(problem, id="tenants.E002")] if problem else []


@register(Tags.security)
def check_trusted_proxies(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Every entry is an address or a network, and none is everybody."""
    problems: list[CheckMessage] = []
    for entry in settings.BERTH_TRUSTED_PROXIES:
        if entry == UNIX_SOCKET:
            continue
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            text = f"BERTH_TRUSTED_PROXIES: “{entry}” is not an address, a network or “unix”."
            problems.append(Error(text, id="tenants.E003"))
            continue
        if network.prefixlen == 0:
            text = f"BERTH_TRUSTED_PROXIES: {entry} trusts everybody's X-Forwarded-For."
            problems.append(Error(text, id="tenants.E004"))
    return problems


@register(Tags.security, deploy=True)
def check_email(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """Mail really goes out: someone who forgot a password waits for it."""
    if settings.EMAIL_BACKEND.endswith(("console.EmailBackend", "dummy.EmailBackend")):
        text = "No mail is sent, so nobody can reset a password: set BERTH_EMAIL_URL."
        return [Warning(text, id="tenants.W001")]
    if settings.DEFAULT_FROM_EMAIL.endswith("@localhost>"):
        return [Warning("Mail comes from localhost: set BERTH_EMAIL_FROM.", id="tenants.W002")]
    return []


@register(Tags.admin)
def check_admin_shows_no_secret(app_configs: Apps, **_: Any) -> list[CheckMessage]:
    """No admin page names an encrypted field: it would show the plain text."""
    from django.contrib.admin import site

    problems: list[CheckMessage] = []
    for model, fields in encrypted_fields():
        admin = site._registry.get(model)
        shown = {*getattr(admin, "list_display", ()), *(getattr(admin, "readonly_fields", ()))}
        for field in fields:
            if field.name in shown:
                text = f"{type(admin).__name__} shows the encrypted field {field.name}."
                problems.append(Error(text, obj=model, id="tenants.E005"))
    return problems
