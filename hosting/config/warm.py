"""What a web process does before its first page."""

from __future__ import annotations

import gc

from django.urls import get_resolver

YOUNG, MIDDLE, OLD = (
    10_000,
    3,
    10,
)  # objects, and searches among the younger; instead of 700, 10, 10


def warm_up() -> None:
    """Load what all pages need, and leave it out of every later search for garbage.

    What is loaded once stays until the process ends. Python looked through all of it again and
    again, which took 90 ms of whatever page that fell into. What a page leaves behind (some 2,000
    objects, of templates and forms that refer to each other) is looked for every few pages, when
    nothing of it is in use any more: sought within a page it is found alive, set aside, and piles
    up for one search that takes longer than a page.
    """
    get_resolver().reverse_dict  # noqa: B018  (reading it imports every view, and the admin)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
