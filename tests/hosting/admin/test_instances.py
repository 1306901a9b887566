from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.messages import get_messages
from django.test import Client as Browser
from django.urls import reverse

from hosting.models import Instance, InstanceSecret, LimitWarning, Operation, Plan, Server
from tenants.models import AuditEvent, Client

ADD = "admin:hosting_instance_add"
LIST = "admin:hosting_instance_changelist"
Order = Callable[..., Instance]
WorkOff = Callable[[Instance], Operation]


def test_staff_order_an_instance_for_a_client(
    root: Browser, acme: Client, small: Plan, memory_server: Server
) -> None:
    response = root.post(reverse(ADD), _form(acme, small))
    instance = Instance.objects.get()
    assert response.headers["Location"] == reverse(
        "admin:hosting_operation_change", args=[instance.operations.get().pk]
    )
    assert (instance.client, instance.app, instance.name) == (acme, "guestbook", "book")
    event = AuditEvent.objects.get(action="instance.ordered")
    assert event.actor_label == "Root <root@berth.example>"


def test_the_same_form_sent_twice_orders_once(
    root: Browser, acme: Client, small: Plan, memory_server: Server
) -> None:
    for _ in range(2):
        assert root.post(reverse(ADD), _form(acme, small)).status_code in (200, 302)
    assert Instance.objects.count() == 1


def test_a_refused_order_says_why_at_the_field_and_keeps_what_was_typed(
    root: Browser, acme: Client, small: Plan
) -> None:
    response = root.post(reverse(ADD), _form(acme, small))
    assert response.status_code == 200
    form = response.context["adminform"].form
    assert form.errors == {"plan": ["No server is open for new instances."]}
    assert form["name"].value() == "book"
    assert not Instance.objects.exists()


def test_an_unknown_app_and_a_bad_name_are_refused_at_their_fields(
    root: Browser, acme: Client, small: Plan, memory_server: Server
) -> None:
    response = root.post(reverse(ADD), {**_form(acme, small), "app": "nope", "name": "-x"})
    assert set(response.context["adminform"].form.errors) == {"app", "name"}
    assert not Instance.objects.exists()


def test_stopping_asks_first_and_then_makes_an_operation(
    root: Browser, order: Order, memory_server: Server, work_off: WorkOff
) -> None:
    instance = order()
    work_off(instance)
    act = reverse("admin:hosting_instance_act", args=[instance.pk, "stop"])
    assert b"Its data stays" in root.get(act).content
    assert instance.operations.count() == 1
    root.post(act)
    assert work_off(instance).state == "succeeded"
    assert instance.state == "stopped"


def test_an_instance_is_deleted_only_by_its_name(
    root: Browser, order: Order, memory_server: Server, work_off: WorkOff
) -> None:
    instance = order()
    work_off(instance)
    act = reverse("admin:hosting_instance_act", args=[instance.pk, "delete"])
    refused = root.post(act, {"confirmation": "boo"})
    assert refused.status_code == 422
    assert b"Type book to delete it." in refused.content
    assert b'value="boo"' in refused.content
    assert instance.operations.count() == 1
    assert root.post(act, {"confirmation": "book"}).status_code == 302
    work_off(instance)
    assert instance.state == "deleted"
    assert b"book" not in _rows(root.get(reverse(LIST)))
    assert b"book" in _rows(root.get(reverse(LIST), {"state": "any"}))
    assert root.get(reverse("admin:hosting_instance_change", args=[instance.pk])).status_code == 200


def test_a_busy_instance_refuses_in_a_sentence(
    root: Browser, order: Order, memory_server: Server
) -> None:
    instance = order()
    response = root.post(
        reverse("admin:hosting_instance_act", args=[instance.pk, "delete"]),
        {"confirmation": "book"},
    )
    assert "book is busy" in _said(response)[0]
    assert instance.operations.count() == 1


def test_bulk_actions_count_what_was_accepted_and_name_each_refusal(
    root: Browser, order: Order, memory_server: Server, work_off: WorkOff
) -> None:
    running, fresh = order("running"), order("fresh")
    work_off(running)
    chosen = [str(running.pk), str(fresh.pk)]
    response = root.post(reverse(LIST), {"action": "restart_selected", "_selected_action": chosen})
    said = sorted(_said(response))
    assert said[0] == "Restarting 1."
    assert said[1].startswith("acme/fresh: fresh is busy")
    assert running.operations.filter(kind="restart").exists()


def test_bulk_deletion_wants_the_number_typed(
    root: Browser, order: Order, memory_server: Server, work_off: WorkOff
) -> None:
    one, two = order("one"), order("two")
    work_off(one)
    work_off(two)
    form: dict[str, Any] = {
        "action": "delete_instances",
        "_selected_action": [str(one.pk), str(two.pk)],
    }
    assert b"delete 2" in root.post(reverse(LIST), form).content
    refused = root.post(reverse(LIST), {**form, "confirmation": "delete 3"})
    assert b"Type delete 2 to delete them." in refused.content
    assert not Operation.objects.filter(kind="delete").exists()
    root.post(reverse(LIST), {**form, "confirmation": "delete 2"})
    assert Operation.objects.filter(kind="delete").count() == 2


def test_django_can_neither_edit_nor_delete_an_instance(
    root: Browser, order: Order, memory_server: Server
) -> None:
    instance = order()
    change = root.post(
        reverse("admin:hosting_instance_change", args=[instance.pk]), {"name": "other"}
    )
    delete = root.post(
        reverse("admin:hosting_instance_delete", args=[instance.pk]), {"post": "yes"}
    )
    assert (change.status_code, delete.status_code) == (403, 403)
    instance.refresh_from_db()
    assert instance.name == "book"


def test_no_page_shows_a_secret(
    root: Browser, order: Order, memory_server: Server, work_off: WorkOff
) -> None:
    instance = order()
    operation = work_off(instance)
    secrets = [each.value for each in instance.secrets.all()]
    assert secrets
    pages = [
        reverse("admin:hosting_instance_change", args=[instance.pk]),
        reverse("admin:hosting_operation_change", args=[operation.pk]),
        reverse("admin:tenants_client_change", args=[instance.client_id]),
        reverse("admin:tenants_auditevent_changelist"),
        *(
            reverse("admin:tenants_auditevent_change", args=[event.pk])
            for event in AuditEvent.objects.all()
        ),
    ]
    for page in pages:
        html = root.get(page).content.decode()
        assert not [secret for secret in secrets if secret in html], page
    assert not admin.site.is_registered(InstanceSecret)


def test_the_catalog_says_what_can_be_ordered_and_why_not(root: Browser) -> None:
    html = root.get(reverse("admin:hosting_catalog")).content.decode()
    assert "guestbook.yaml" in html
    assert "Can be ordered" in html
    assert "Automatos AI cannot be ordered until" in html


def test_a_broken_catalog_file_is_named(root: Browser, settings: Any, tmp_path: Any) -> None:
    (tmp_path / "bad.yaml").write_text("services: 3\n")
    settings.BERTH_CATALOG_DIRS = [tmp_path]
    html = root.get(reverse("admin:hosting_catalog")).content.decode()
    assert "bad.yaml" in html
    assert "No app can be ordered" in html


def _form(client: Client, plan: Plan) -> dict[str, str]:
    return {
        "client": str(client.pk),
        "app": "guestbook",
        "plan": str(plan.pk),
        "name": "book",
        "sent_as": "3f2a",
    }


def _said(response: Any) -> list[str]:
    return [str(each) for each in get_messages(response.wsgi_request)]


def _rows(response: Any) -> bytes:
    content: bytes = response.content
    start = content.find(b'id="result_list"')
    return content[start:] if start >= 0 else b""


def test_the_page_says_which_limit_an_instance_comes_near_and_what_would_help(
    root: Browser, order: Order, memory_server: Server, small: Plan
) -> None:
    instance = order()
    said = "Memory is nearly full."
    LimitWarning.objects.create(instance=instance, kind="memory", summary=said, plan=small)
    page = root.get(reverse("admin:hosting_instance_change", args=[instance.pk])).content.decode()
    assert said in page
    assert "The plan Small would be enough." in page
