"""Where the backups of an instance are: at the target, and at a second place by setting."""

from __future__ import annotations

from django.conf import settings

from hosting.engines.restic import Repository, Target, open_repository
from hosting.models import Instance, JournalChapter
from hosting.services.saving import backups


def primary(instance: Instance) -> Repository:
    """The instance's repository."""
    store = backups.store_of(instance=instance)
    return open_repository(_primary_target(), store.path, str(store.password))


def copy(instance: Instance) -> Repository | None:
    """Its copy at the second place; None where there is no such setting."""
    target = _second_target()
    if target is None:
        return None
    store = backups.store_of(instance=instance)
    return open_repository(target, store.copy_path, str(store.password))


def ever(instance: Instance) -> tuple[Repository, ...]:
    """All there ever were in either place, those too that others were begun for."""
    store, second = backups.store_of(instance=instance), _second_target()
    places = [(_primary_target(), store.number), *([(second, store.copy_number)] if second else [])]
    return tuple(
        open_repository(target, store.path_of(number), str(store.password))
        for target, last in places
        for number in range(1, last + 1)
    )


def of_chapter(chapter: JournalChapter) -> Repository:
    """The repository of a stretch of its journals, under the password of its backups."""
    return _of_chapter(_primary_target(), chapter)


def copy_of_chapter(chapter: JournalChapter) -> Repository | None:
    """Its copy at the second place; None where there is no such setting."""
    target = _second_target()
    return _of_chapter(target, chapter) if target else None


def everywhere_of_chapter(chapter: JournalChapter) -> tuple[Repository, ...]:
    """Both, or the one that there is."""
    second = copy_of_chapter(chapter)
    return (of_chapter(chapter), second) if second else (of_chapter(chapter),)


def _primary_target() -> Target:
    return Target(
        location=settings.BERTH_BACKUP_TARGET,
        environment=settings.BERTH_BACKUP_TARGET_ENVIRONMENT,
        options=tuple(settings.BERTH_BACKUP_TARGET_OPTIONS),
    )


def _second_target() -> Target | None:
    if not settings.BERTH_BACKUP_COPY:
        return None
    return Target(
        location=settings.BERTH_BACKUP_COPY,
        environment=settings.BERTH_BACKUP_COPY_ENVIRONMENT,
        options=tuple(settings.BERTH_BACKUP_COPY_OPTIONS),
    )


def _of_chapter(target: Target, chapter: JournalChapter) -> Repository:
    password = str(backups.store_of(instance=chapter.instance).password)
    return open_repository(target, chapter.path, password)
