"""Hostnames and subnets: what Berth has given out."""

from __future__ import annotations

from django.contrib import admin
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
)

from hosting.models import Hostname, Subnet
from tenants.admin.base import ReadOnlyAdmin
from tenants.display import moment


@admin.register(Hostname)
class HostnameAdmin(ReadOnlyAdmin[Hostname]):
    """Names under which the edge serves instances."""

    list_display = ("name", "instance", "kind", "is_primary")
    list_filter = (("kind", ChoicesDropdownFilter), ("instance__client", AutocompleteSelectFilter))
    list_select_related = ("instance__client",)
    search_fields = ("name", "instance__name", "instance__client__name")
    fields = ("name", "instance", "kind", "is_primary")


@admin.register(Subnet)
class SubnetAdmin(ReadOnlyAdmin[Subnet]):
    """Subnets that are held, or that something else on the server uses."""

    list_display = ("cidr", "server", "instance", "taken_by", "allocated")
    list_filter = (("server", RelatedDropdownFilter),)
    list_select_related = ("server", "instance__client")
    search_fields = ("server__name", "instance__name", "instance__client__name", "taken_by")
    fields = ("cidr", "server", "instance", "taken_by", "allocated_at")

    @admin.display(description="Subnet", ordering="index")
    def cidr(self, subnet: Subnet) -> str:
        """In CIDR notation."""
        return subnet.cidr

    @admin.display(description="Since", ordering="allocated_at")
    def allocated(self, subnet: Subnet) -> str:
        """How long ago."""
        return moment(subnet.allocated_at)
