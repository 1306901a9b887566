"""What the last looks at an instance showed, on its page."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from hosting.models import ContainerHealth, Health, Instance
from hosting.selectors.watching import container_health
from tenants.display import moment

Fact = tuple[str, SafeString]


def of_instance(instance: Instance) -> list[Fact]:
    """At the app and at its containers, where there was one. One query."""
    app, containers = container_health.current(instance)
    found = []
    if app is not None:
        found.append(("Last look", _dated(_answer(app), app)))
    if containers is not None:
        found.append(("Containers", _dated(containers.shown, containers)))
    return found


def _answer(app: Health) -> str:
    if not app.is_up:
        return app.error or "It failed"
    return "It answered" if app.ms is None else f"It answered in {app.ms} ms"


def _dated(told: str, look: Health | ContainerHealth) -> SafeString:
    return format_html('{} <span class="b-dim">{}</span>', told, moment(look.at))
