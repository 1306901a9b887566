"""In which of its two places a backup lies: staff choose where there is a choice."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.html import format_html
from django.utils.text import capfirst

from hosting.models import Backup, BackupStore, Instance
from hosting.selectors.saving import backups
from tenants.display import moment

FIRST, SECOND = "first", "second"


class PlaceForm(forms.Form):
    """The place, of a backup that both have; nothing is asked of any other."""

    place = forms.ChoiceField(
        label="Read it from",
        required=False,
        choices=((FIRST, "The first place"), (SECOND, "The second place")),
        widget=forms.Select(attrs={"class": "b-input"}),
        help_text="The second one is for when the first is lost or damaged. It is read through"
        " before anything is touched, and each part is compared with what was written.",
        error_messages={"invalid_choice": "Choose one of these places."},
    )

    def __init__(self, *args: Any, backup: Backup, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        has_both = backup.is_in_first_place and backup.is_in_second_place
        if not has_both and not self.data.get("place"):
            del self.fields["place"]  # chosen all the same, it is refused in words

    @property
    def is_from_copy(self) -> bool:
        """Whether the second place was chosen; once it is valid."""
        return bool(self.cleaned_data.get("place") == SECOND)


def lies(backup: Backup) -> str:
    """In which of the two it lies, in a sentence."""
    if backup.is_in_first_place and backup.is_in_second_place:
        return format_html("In both places; copied {}{}", moment(backup.copied_at), _read(backup))
    if backup.is_in_second_place:
        since = moment(backup.lost_at)
        return format_html("In the second place only: the first was begun anew {}", since)
    if not backup.is_in_first_place:
        return "In a second place that is not configured here any more" if backup.is_good else "–"
    return "In the first place only" if settings.BERTH_BACKUP_COPY else "In the first place"


def _read(backup: Backup) -> str:
    if backup.copy_read_at is None:
        return ""
    return format_html(" and read back from the second {}", moment(backup.copy_read_at))


def copies_of(instance: Instance) -> str:
    """How far its backups are in the second place; empty where there is none."""
    if not settings.BERTH_BACKUP_COPY:
        return ""
    store = BackupStore.objects.filter(instance=instance).first()
    if store is not None and store.copy_trouble:
        return capfirst(store.copy_trouble.removeprefix("in the second place "))
    lacking = backups.uncopied().filter(instance=instance).count()
    if not lacking:
        return "All that are to be there"
    return f"{lacking} backup{'' if lacking == 1 else 's'} not there yet"
