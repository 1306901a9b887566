"""Taking a client's backup out of Berth, for staff who were given that right by name."""

from __future__ import annotations

import logging
import uuid

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html

from hosting.admin.building.asking import Question, ask
from hosting.admin.instance_verbs import DOWNLOAD
from hosting.engines.errors import EngineError
from hosting.flows.saving import portable
from hosting.models import Backup
from tenants.admin.base import actor
from tenants.display import moment
from tenants.errors import Refused

logger = logging.getLogger(__name__)


class ReasonForm(forms.Form):
    """Why staff take a client's secrets out."""

    reason = forms.CharField(
        label="Reason",
        max_length=200,
        widget=forms.TextInput(attrs={"class": "b-input", "autocomplete": "off"}),
        help_text="Such as the number of the ticket. It is kept in the audit log.",
        error_messages={"required": "Say what it is needed for."},
    )


def may(request: HttpRequest) -> bool:
    """No group may: every secret of the instance is in it."""
    return request.user.has_perm(DOWNLOAD)


def download(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """Say what is in it and ask why (GET), or send it (POST), read from its store meanwhile.

    What can be refused is refused before the first byte. Where the store fails later, the answer
    breaks off before the length that it has announced.
    """
    if not may(request):
        raise PermissionDenied
    known = Backup.objects.select_related("instance__client", "operation")
    backup = get_object_or_404(known, pk=pk)
    form = ReasonForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _ask(request, backup, form)
    try:
        reason = form.cleaned_data["reason"]
        archive = portable.take_out(backup, actor=actor(request), reason=reason)
    except Refused as refused:
        form.add_error(None, refused.message)
        return _ask(request, backup, form)
    except EngineError as error:
        logger.warning("the backup %s could not be downloaded: %s", backup.pk, error)
        form.add_error(None, f"It can't be read: {error}.")
        return _ask(request, backup, form)
    return StreamingHttpResponse(archive.chunks(), headers=archive.headers)


def _ask(request: HttpRequest, backup: Backup, form: ReasonForm) -> HttpResponse:
    question = Question(
        title="Download this backup?",
        meaning=(
            format_html("It was taken of {} {}.", backup.instance, moment(backup.taken_at)),
            "All of its data is in it, and every secret of the instance: whoever has the file reads"
            " them.",
            "Who took it, when and why is in the client's audit log.",
        ),
        submit="Download",
        back=reverse("admin:hosting_backup_change", args=[backup.pk]),
        form=form,
    )
    return ask(request, question)
