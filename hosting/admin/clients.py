"""What hosting shows on a client's page in the admin."""

from __future__ import annotations

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from hosting.admin.building import rows
from hosting.selectors.instances import of_client
from tenants.admin.clients import PANELS
from tenants.models import Client


def instances_panel(client: Client, request: HttpRequest) -> SafeString:
    """The client's instances, for whoever may look at instances."""
    if not request.user.has_perm("hosting.view_instance"):
        return SafeString()
    table = rows.instances(list(of_client(client)), empty="This client has no instance yet.")
    may_order = client.is_active and request.user.has_perm("hosting.add_instance")
    context = {"client": client, "table": table, "may_order": may_order}
    return render_to_string("admin/hosting/instances_of_client.html", context, request=request)


PANELS.append(instances_panel)
