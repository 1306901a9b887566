"""Errors of the API as RFC 9457 problem details: one form, whatever goes wrong."""

from __future__ import annotations

import json
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """What can't be done, as an answer: its status, and one sentence on what would be right."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def respond(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The problem as an answer."""
    body = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
    }
    return HttpResponse(
        json.dumps(body),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers=problem.headers,
    )


def unauthorized(detail: str) -> Problem:
    """A 401, with the header that says what is asked for."""
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


@csrf_exempt
def not_found(request: HttpRequest, path: str = "") -> HttpResponse:
    """An address of the API at which there is nothing."""
    return respond(request, Problem(HTTPStatus.NOT_FOUND, "There is nothing at this address."))
