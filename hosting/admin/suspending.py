"""Suspending an instance, and giving it back: staff say why, and the client reads it."""

from __future__ import annotations

import uuid

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from hosting.admin.building import acting
from hosting.admin.building.asking import Question, ask
from hosting.models import Instance
from hosting.selectors.instances import detailed
from hosting.services import suspensions
from tenants.admin.base import actor
from tenants.errors import Refused

SUSPEND = "hosting.suspend_instance"


class ReasonForm(forms.Form):
    """What the client reads."""

    reason = forms.CharField(
        max_length=suspensions.LONGEST_REASON,
        widget=forms.TextInput(attrs={"class": "b-input"}),
        help_text="A sentence that its client reads, such as “Invoice 2026-0042 is overdue.”",
    )


def may(instance: Instance, request: HttpRequest) -> bool:
    """Whether this person can suspend it, or give it back."""
    is_theirs = not instance.is_scratch and not instance.is_deleted
    return is_theirs and instance.delete_requested_at is None and request.user.has_perm(SUSPEND)


def suspend(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask why (GET), or do it (POST)."""
    instance = _get(request, pk)
    form = ReasonForm(request.POST or None)
    if not form.is_valid():
        return _ask(request, instance, form)
    try:
        suspensions.suspend(
            instance=instance, reason=form.cleaned_data["reason"], actor=actor(request)
        )
    except Refused as refused:
        form.add_error(refused.field if refused.field in form.fields else None, refused.message)
        return _ask(request, instance, form)
    return HttpResponseRedirect(_page(instance))


def resume(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Give it back."""
    instance = _get(request, pk)
    return acting.post(
        request,
        allowed=True,
        change=lambda: suspensions.resume(instance=instance, actor=actor(request)),
        said=f"{instance.name} is not suspended any more.",
        page=_page(instance),
    )


def _get(request: HttpRequest, pk: uuid.UUID) -> Instance:
    if not request.user.has_perm(SUSPEND):
        raise PermissionDenied
    return get_object_or_404(detailed(Instance.objects.all()), pk=pk)


def _ask(request: HttpRequest, instance: Instance, form: ReasonForm) -> HttpResponse:
    question = Question(
        title=f"Suspend {instance.name} of {instance.client}?",
        meaning=(
            "Its services stop, and nothing starts them again until it is given back. Its data is"
            " kept, and saved every night as before.",
        ),
        submit="Suspend",
        back=_page(instance),
        form=form,
    )
    return ask(request, question, opts=Instance._meta, original=instance)


def _page(instance: Instance) -> str:
    return reverse("admin:hosting_instance_change", args=[instance.pk])
