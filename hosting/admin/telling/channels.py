"""The staff's channels in the admin, and the log of what was sent to anybody."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from hosting.models import CHOSEN_TOPICS, Channel, Delivery
from hosting.selectors.telling import channels as reading
from hosting.services.telling import channels
from hosting.services.telling.channels import Wishes
from hosting.services.telling.notifications import GROUPS
from tenants.admin.base import ModelForm, ReadOnlyAdmin, ServiceAdmin, actor, show_refused
from tenants.display import Tone, badge, moment
from tenants.errors import Refused
from tenants.services.actors import Actor

_WISHES = ("topics", "least", "quiet_from", "quiet_until", "is_urgent_through")
_TONES: dict[str, Tone] = {
    Delivery.State.OPEN: "busy",
    Delivery.State.SENDING: "busy",
    Delivery.State.SENT: "ok",
    Delivery.State.FAILED: "bad",
    Delivery.State.DROPPED: "idle",
}


class ChannelForm(ModelForm[Channel]):
    """Which group hears what, where, and when not."""

    group = forms.ChoiceField(
        choices=[(each, each.title()) for each in GROUPS], widget=UnfoldAdminSelectWidget
    )
    where_to = forms.CharField(
        max_length=2000,
        help_text="A mail address, an https address, or a URL as Apprise writes them.",
        widget=UnfoldAdminTextInputWidget,
    )
    topics = forms.MultipleChoiceField(
        choices=[(each.value, each.label) for each in CHOSEN_TOPICS],
        widget=forms.CheckboxSelectMultiple,
        initial=[each.value for each in CHOSEN_TOPICS],
    )

    class Meta:
        model = Channel
        fields = ("group", "kind", "name", *_WISHES)


@admin.register(Channel)
class ChannelAdmin(ServiceAdmin[Channel]):
    """Those of the groups of staff; clients have theirs on their own page."""

    form = ChannelForm
    list_display = ("name", "group", "kind", "shown", "state", "added")
    list_filter = (("kind", ChoicesDropdownFilter),)
    search_fields = ("name", "shown")
    actions = ("test_selected", "remove_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        """No client's, and none that was removed."""
        return reading.of_staff()

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        """Where it leads is said once; afterwards only as much as may be shown."""
        leads = ("shown", "secret_once") if obj else ("where_to",)
        return (
            (None, {"fields": ("group", "kind", "name", *leads)}),
            ("What for", {"fields": ("topics", "least")}),
            ("Quiet hours, in UTC", {"fields": _WISHES[2:]}),
        )

    def get_readonly_fields(
        self, request: HttpRequest, obj: Channel | None = None
    ) -> tuple[str, ...]:
        """A channel leads where it led: for another place there is another one."""
        return ("group", "kind", "shown", "secret_once") if obj else ()

    def create(self, *, form: forms.ModelForm[Channel], actor: Actor) -> Channel:
        """Through the service."""
        typed = form.cleaned_data
        return channels.add(
            group=typed["group"],
            kind=typed["kind"],
            name=typed["name"],
            target=typed["where_to"],
            wishes=_wishes(form),
            actor=actor,
            now=timezone.now(),
        )

    def update(self, *, obj: Channel, form: forms.ModelForm[Channel], actor: Actor) -> None:
        """Through the service."""
        channels.change(
            channel=obj, name=form.cleaned_data["name"], wishes=_wishes(form), actor=actor
        )

    @admin.display(description="Signing secret")
    def secret_once(self, channel: Channel) -> str:
        """What a receiver checks a webhook by."""
        return channel.secret or "—"

    @admin.display(description="State")
    def state(self, channel: Channel) -> SafeString:
        """Whether anything arrives there."""
        if channel.stopped_at is not None:
            return badge("Stopped", "bad")
        return badge("Failing", "warn") if channel.failing_since else badge("In use", "ok")

    @admin.display(description="Added", ordering="created_at")
    def added(self, channel: Channel) -> str:
        """How long ago."""
        return moment(channel.created_at)

    @admin.action(description="Send a test", permissions=("change",))
    def test_selected(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """A test to each of them."""
        for each in queryset:
            try:
                channels.test(channel=each, actor=actor(request), now=timezone.now())
            except Refused as refused:
                show_refused(request, refused)
            else:
                messages.success(request, f"A test is on its way to {each}.")

    @admin.action(description="Remove", permissions=("change",))
    def remove_selected(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """Nothing is sent there any more."""
        for each in queryset:
            try:
                channels.remove(channel=each, actor=actor(request), now=timezone.now())
            except Refused as refused:
                show_refused(request, refused)
            else:
                messages.success(request, f"Nothing is sent to {each} any more.")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin[Delivery]):
    """What was sent, to whom, and what came of it."""

    list_display = ("what", "to", "state_shown", "attempt", "when", "reason")
    list_filter = (("state", ChoicesDropdownFilter),)
    search_fields = ("channel__name", "channel__client__name", "reason")
    fields = ("channel", "state", "attempt", "created_at", "due_at", "ended_at", "reason")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """With what was in each."""
        return reading.log()

    @admin.display(description="What")
    def what(self, delivery: Delivery) -> str:
        """The first of it, and how much more."""
        told = list(delivery.notifications.all())
        more = f", and {len(told) - 1} more" if len(told) > 1 else ""
        return f"{told[0].title}{more}" if told else "—"

    @admin.display(description="To")
    def to(self, delivery: Delivery) -> str:
        """Whose channel."""
        channel = delivery.channel
        return f"{channel.client or channel.group}: {channel.name}"

    @admin.display(description="State", ordering="state")
    def state_shown(self, delivery: Delivery) -> SafeString:
        """What came of it."""
        return badge(delivery.get_state_display(), _TONES[delivery.state])

    @admin.display(description="When", ordering="created_at")
    def when(self, delivery: Delivery) -> str:
        """When it was begun."""
        return moment(delivery.created_at)


def _wishes(form: forms.ModelForm[Channel]) -> Wishes:
    typed = form.cleaned_data
    return Wishes(**{name: typed[name] for name in _WISHES})
