"""The generated secrets of instances."""

from __future__ import annotations

from django.utils import timezone

from hosting.catalog.credentials import generate, generated_secrets
from hosting.catalog.schema import App
from hosting.models import Instance, InstanceSecret
from hosting.services.measuring import usage_tokens


def generate_missing(*, instance: Instance, app: App) -> list[str]:
    """Generate what the app needs and the instance has not; the names, never the values.

    The caller is in a transaction. Present ones are never replaced: data may depend on them.
    """
    present = set(instance.secrets.values_list("name", flat=True))
    missing = {k: spec for k, spec in generated_secrets(app).items() if k not in present}
    for name, spec in missing.items():
        InstanceSecret.objects.create(instance=instance, name=name, value=generate(spec))
    usage_tokens.register_own(instance=instance, app=app, now=timezone.now())
    return sorted(missing)
