"""The REST API of all rooms, under /api/v1/; described at /api/v1/openapi.json."""

from __future__ import annotations

import logging
from http import HTTPStatus

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, ValidationError

from hosting.api import usage
from hosting.api.problems import Problem, not_found, respond, unauthorized

logger = logging.getLogger(__name__)

api = NinjaAPI(
    title="Berth",
    version="1",
    docs_url=None,  # its pages come from other servers
    servers=[{"url": settings.BERTH_URL}],
)
api.add_router("/usage", usage.router)


@api.exception_handler(Problem)
def problem(request: HttpRequest, error: Problem) -> HttpResponse:
    """What an operation says that can't be done."""
    return respond(request, error)


@api.exception_handler(AuthenticationError)
def unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """No token, or one that opens nothing: the answer does not say which."""
    detail = "Send a token that is in use, as Authorization: Bearer …"
    return respond(request, unauthorized(detail))


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Parameters that are not what the description asks for."""
    first = error.errors[0] if error.errors else {}
    place = ".".join(str(each) for each in first.get("loc", ())[1:])
    detail = f"{place or 'The request'}: {first.get('msg', 'is not valid')}"
    return respond(request, Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail))


@api.exception_handler(Http404)
def missing(request: HttpRequest, error: Http404) -> HttpResponse:
    """What is not there, or somebody else's."""
    return not_found(request)


@api.exception_handler(Exception)
def failed(request: HttpRequest, error: Exception) -> HttpResponse:
    """What Berth did not foresee: it goes to the log with its traceback, and not to the caller."""
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    detail = "Something went wrong here. Send the same again later: nothing is counted twice."
    return respond(request, Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail))
