"""What is known of servers."""

from __future__ import annotations

from django.utils import timezone

from hosting.models import Server


def record_answer(*, server: Server) -> None:
    """The server's engine answered just now."""
    Server.objects.filter(pk=server.pk).update(last_answered_at=timezone.now(), last_error="")


def record_silence(*, server: Server, error: str) -> None:
    """The server's engine did not answer."""
    Server.objects.filter(pk=server.pk).update(last_error=error)
