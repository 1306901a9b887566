"""The catalog of this installation: the apps in the configured directories."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from hosting.catalog.loader import load_catalog
from hosting.catalog.schema import App


def apps() -> Mapping[str, App]:
    """Every app by its short name. Raises ``CatalogError`` naming file, line and reason."""
    return load_catalog(settings.BERTH_CATALOG_DIRS)
