"""Taking a backup out of Berth."""

from __future__ import annotations

import logging
import uuid

from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from hosting.engines.errors import EngineError, TryLater
from hosting.flows.saving import portable
from hosting.models import Backup
from hosting.selectors.saving import backups as reading
from tenants.errors import Refused
from tenants.permissions import Permission
from tenants.views.access import ClientRequest, client_view

logger = logging.getLogger(__name__)


@require_GET
@client_view(Permission.DOWNLOAD_BACKUP)
def backup(request: ClientRequest, name: str, backup_id: uuid.UUID) -> HttpResponseBase:
    """The portable archive of a backup, read from its store as it is sent.

    What can be refused is refused before the first byte. Where the store fails later, the answer
    breaks off before the length that it has announced.
    """
    backup = _get(request, name, backup_id)
    try:
        archive = portable.take_out(backup, actor=request.actor)
    except Refused as refusal:
        return _none(request, backup, refusal.message, status=409)
    except EngineError as error:
        logger.warning("the backup %s could not be downloaded: %s", backup.pk, error)
        return _none(request, backup, _sentence(error), status=503)
    return StreamingHttpResponse(archive.chunks(), headers=archive.headers)


def _get(request: ClientRequest, name: str, backup_id: uuid.UUID) -> Backup:
    try:
        return reading.get_of_client(request.client, name, backup_id)
    except Backup.DoesNotExist as error:
        raise Http404("There is no such backup.") from error


def _sentence(error: EngineError) -> str:
    """For a client: places and names of the installation stay in its log."""
    if isinstance(error, TryLater):
        return "The backup store does not answer. Please try again in some minutes."
    return "This backup can't be read at the moment. Please ask your hosting company to look at it."


def _none(request: ClientRequest, backup: Backup, sentence: str, *, status: int) -> HttpResponse:
    context = {"client": request.client, "instance": backup.instance, "sentence": sentence}
    return render(request, "hosting/no_download.html", context, status=status)
