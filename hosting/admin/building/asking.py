"""Pages that ask once more before something is done, some for a name to be typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse


@dataclass(frozen=True, slots=True)
class Question:
    """What will happen, in sentences, and the words of the button that does it.

    ``phrase`` has to be typed where there is one; ``form`` is asked for besides. ``is_final`` is
    for what nobody can bring back.
    """

    title: str
    meaning: Sequence[object]
    submit: str
    back: str
    phrase: str = ""
    form: forms.Form | None = None
    is_final: bool = False


def ask(request: HttpRequest, question: Question, *, error: str = "", **more: Any) -> HttpResponse:
    """The page; with what was typed and 422 where it was wrong."""
    wrong = bool(error or (question.form is not None and question.form.errors))
    context = {
        **admin.site.each_context(request),
        "title": question.title,
        "question": question,
        "error": error,
        "typed": request.POST.get("confirmation", ""),
        **more,
    }
    return TemplateResponse(
        request, "admin/hosting/ask.html", context, status=422 if wrong else 200
    )
