"""Beginning a rollout: which version, how many at a time, and when it gives up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from hosting.admin.building.asking import Question, ask
from hosting.models import Rollout
from hosting.selectors.upgrading import rollouts as reading
from hosting.services.upgrading import rollouts
from tenants.admin.base import actor
from tenants.errors import Refused

BEGIN = "hosting.add_rollout"
MOST = 1000  # instances at a time
LONGEST = 30 * 24 * 60  # minutes between two waves


def _choices() -> list[tuple[str, str]]:
    """The apps with the number of instances that would be reached, those with most first."""
    counts = reading.counts_reached()
    found = [(app, version, counts[app]) for app, version in reading.offered().items()]
    found.sort(key=lambda each: (-each[2], each[0]))
    return [
        (f"{app} {version}", f"{app} {version}: {count} instance{'' if count == 1 else 's'}")
        for app, version, count in found
    ]


class RolloutForm(forms.Form):
    """What is given to all, and how carefully."""

    target = forms.ChoiceField(
        label="App and version",
        widget=forms.Select(attrs={"class": "b-input"}),
        help_text="The newest version of each app in the catalog, and how many instances get it.",
        error_messages={"invalid_choice": "Choose one of these apps."},
    )
    wave_size = forms.IntegerField(
        label="Instances at a time",
        min_value=1,
        max_value=MOST,
        initial=5,
        help_text="The canaries go first, all at once.",
        error_messages={"min_value": "A wave has at least one instance."},
    )
    pause = forms.IntegerField(
        label="Minutes between two waves",
        min_value=0,
        max_value=LONGEST,
        initial=60,
        help_text="Counted from the end of a wave, so that there is time to notice.",
        error_messages={"min_value": "A pause can't be shorter than nothing."},
    )
    most_failures = forms.IntegerField(
        label="Failures that are accepted",
        min_value=0,
        max_value=MOST,
        initial=0,
        help_text="When more than so many have failed, it stops itself and leaves the rest alone."
        " A rehearsal that does not pass counts.",
    )
    in_window = forms.BooleanField(
        label="Within each instance's hours only",
        required=False,
        initial=True,
        help_text="By its client's clock. Otherwise instances are changed at any time of the day.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["target"].choices = _choices()  # type: ignore[attr-defined]  # it is a choice
        for name in ("wave_size", "pause", "most_failures"):
            self.fields[name].widget.attrs["class"] = "b-input b-input-number"
        for field in self.fields.values():
            field.error_messages |= {"required": "Fill this in.", "invalid": "Type a whole number."}

    def wanted(self) -> dict[str, Any]:
        """For the service."""
        data = dict(self.cleaned_data)
        app, _, version = data.pop("target").partition(" ")
        minutes = timedelta(minutes=data.pop("pause"))
        return {"app": app, "version": version, "pause": minutes, **data}


def view(request: HttpRequest) -> HttpResponse:
    """Ask what is wanted (GET), or begin it (POST)."""
    if not request.user.has_perm(BEGIN):
        raise PermissionDenied
    form = RolloutForm(request.POST or None)
    if not form.is_valid():
        return _ask(request, form)
    try:
        made = rollouts.begin(actor=actor(request), **form.wanted())
    except Refused as refused:
        field = "target" if refused.field == "version" else refused.field
        form.add_error(field if field in form.fields else None, refused.message)
        return _ask(request, form)
    return HttpResponseRedirect(reverse("admin:hosting_rollout_change", args=[made.pk]))


def _ask(request: HttpRequest, form: RolloutForm) -> HttpResponse:
    question = Question(
        title="Give a new version to all?",
        meaning=(
            "Each instance is rehearsed on a copy of its newest backup first, and changed only"
            " where that went well. What fails is taken back by itself.",
            "Instances whose client wants new versions only when asked for are left alone.",
        ),
        submit="Begin the rollout",
        back=reverse("admin:hosting_rollout_changelist"),
        form=form,
    )
    return ask(request, question, opts=Rollout._meta)
