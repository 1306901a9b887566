"""When an instance gets versions that are given to all: staff choose who is a canary."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from hosting.admin.building.asking import Question, ask
from hosting.models import Instance
from hosting.selectors.instances import detailed
from hosting.services.upgrading import new_versions
from tenants.admin.base import actor
from tenants.errors import Refused

SET = "hosting.upgrade_instance"


class NewVersionsForm(forms.Form):
    """With whom, and within which hours."""

    ring = forms.ChoiceField(
        label="New versions",
        choices=Instance.Ring.choices,
        widget=forms.Select(attrs={"class": "b-input"}),
        help_text="“With the first” makes it a canary. Its client may have chosen “Only when asked"
        " for”: ask them before you change that.",
    )
    changes_from = forms.TimeField(label="From", help_text="By its client's clock.")
    changes_until = forms.TimeField(
        label="Until", help_text="A time before “From” is the next day's."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("changes_from", "changes_until"):
            self.fields[name].widget = forms.TimeInput(
                format="%H:%M", attrs={"type": "time", "class": "b-input b-input-time"}
            )
            self.fields[name].error_messages |= {
                "required": "Type a time, such as 01:00.",
                "invalid": "Type a time, such as 01:00.",
            }


def in_words(instance: Instance) -> str:
    """When it gets them."""
    when = instance.get_ring_display()
    if instance.ring == Instance.Ring.NEVER:
        return when
    hours = f"{instance.changes_from:%H:%M} to {instance.changes_until:%H:%M}"
    return f"{when}, {hours} ({instance.client.timezone})"


def may_set(instance: Instance, request: HttpRequest) -> bool:
    """Whether this person can choose that for it."""
    is_there = not instance.is_deleted and not instance.is_scratch
    return is_there and request.user.has_perm(SET)


def view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask (GET), or set it (POST)."""
    if not request.user.has_perm(SET):
        raise PermissionDenied
    instance = get_object_or_404(detailed(Instance.objects.all()), pk=pk)
    initial = {name: getattr(instance, name) for name in NewVersionsForm.base_fields}
    form = NewVersionsForm(request.POST or None, initial=initial)
    if not form.is_valid():
        return _ask(request, instance, form)
    try:
        new_versions.choose(instance=instance, actor=actor(request), **form.cleaned_data)
    except Refused as refused:
        form.add_error(refused.field if refused.field in form.fields else None, refused.message)
        return _ask(request, instance, form)
    messages.success(request, f"{instance.name}: new versions are set.")
    return HttpResponseRedirect(_page(instance))


def _ask(request: HttpRequest, instance: Instance, form: NewVersionsForm) -> HttpResponse:
    question = Question(
        title=f"When does {instance.name} of {instance.client} get new versions?",
        meaning=(
            "This is about versions that staff give to all. Its client can change it at any time.",
        ),
        submit="Set",
        back=_page(instance),
        form=form,
    )
    return ask(request, question, opts=Instance._meta, original=instance)


def _page(instance: Instance) -> str:
    return reverse("admin:hosting_instance_change", args=[instance.pk])
