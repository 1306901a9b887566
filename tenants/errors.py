"""What a service says when it refuses."""

from __future__ import annotations


class Refused(Exception):
    """Bad input or a broken rule, as one sentence for the person who asked. Nothing has changed.

    ``field`` names the input it is about, so that a form or an API can show it there.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
