"""What apps report themselves; docs/usage-api.md is for those who write them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema

from hosting.api import event_body
from hosting.api.authentication import UsageBearer
from hosting.api.problems import Problem
from hosting.models import UsageToken
from hosting.services.measuring import usage_events

router = Router(tags=["usage"])

_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "source", "id", "type", "time"],
    "properties": {
        "specversion": {"const": "1.0"},
        "source": {"type": "string", "minLength": 1, "maxLength": 200},
        "id": {"type": "string", "minLength": 1, "maxLength": 200},
        "type": {"type": "string", "description": "A meter, or llm."},
        "time": {"type": "string", "format": "date-time"},
        "subject": {"type": "string", "maxLength": 200},
        "instance": {"type": "string", "format": "uuid"},
        "data": {
            "type": "object",
            "properties": {
                "amount": {"type": "number", "minimum": 0},
                "model": {"type": "string", "minLength": 1, "maxLength": 100},
                "input": {"type": "integer", "minimum": 0},
                "output": {"type": "integer", "minimum": 0},
                "cached": {"type": "integer", "minimum": 0},
            },
        },
    },
}
_EVENTS = {"oneOf": [_EVENT, {"type": "array", "maxItems": event_body.AT_MOST, "items": _EVENT}]}
_LONGEST_LENGTH = 40  # digits of a length; Python refuses to read numbers of thousands of them
_PROBLEM = {"description": "RFC 9457 problem details", "content": {"application/problem+json": {}}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _EVENTS},
            "application/cloudevents-batch+json": {"schema": _EVENTS},
            "application/cloudevents+json": {"schema": _EVENT},
        },
    },
    "responses": {400: _PROBLEM, 401: _PROBLEM, 413: _PROBLEM, 415: _PROBLEM},
}


class RefusedEvent(Schema):
    """An event that was not counted: its place in the request, counted from 0, and why."""

    index: int
    id: str | None
    code: str
    reason: str


class Reported(Schema):
    """What became of the events. Duplicates were counted before, and not again.

    ``blocked`` names the types of events of which nothing new is taken at the moment.
    """

    accepted: int
    duplicates: int
    refused: list[RefusedEvent]
    blocked: list[str]


@router.post(
    "/events",
    auth=UsageBearer(),
    response=Reported,
    openapi_extra=_BODY,
    operation_id="report_usage",
    url_name="report_usage",
    summary="Report what an instance used",
)
def report(request: HttpRequest) -> Reported:
    """Up to 1,000 events, each counted once: the same source and id again are a duplicate.

    What can't be counted is listed with the reason, and the rest is kept.
    """
    try:
        events = event_body.read(_body(request))
    except event_body.Malformed as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    token = cast(UsageToken, request.auth)  # type: ignore[attr-defined]
    answer = usage_events.accept(token=token, events=events, now=timezone.now())
    return Reported(
        accepted=answer.accepted,
        duplicates=answer.duplicates,
        refused=[
            RefusedEvent(
                index=each.index, id=each.id, code=each.refusal.code, reason=each.refusal.reason
            )
            for each in answer.refused
        ],
        blocked=list(answer.blocked),
    )


_OTHERS = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]


@router.api_operation(_OTHERS, "/events", include_in_schema=False)
def refuse_other_methods(request: HttpRequest) -> None:
    """The framework's own answer would be no problem details."""
    detail = "Events are reported with POST."
    raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": "POST"})


def _body(request: HttpRequest) -> bytes:
    """The body, unless it is more than would be read of it."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body without compression.")
    kind = (request.content_type or "").lower()
    if kind not in _BODY["requestBody"]["content"]:
        known = ", ".join(_BODY["requestBody"]["content"])
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type must be one of {known}.")
    most = event_body.LARGEST_BYTES
    length = request.headers.get("Content-Length", "")
    if not (length.isascii() and length.isdigit()):
        raise Problem(HTTPStatus.LENGTH_REQUIRED, "Say the body's length in Content-Length.")
    if len(length) > _LONGEST_LENGTH or int(length) > most:
        detail = f"A request may have {most} bytes, and this one has {length[:_LONGEST_LENGTH]}."
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return request.read()
