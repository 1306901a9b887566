"""What a web process does before its first page."""

from __future__ import annotations

import gc

from django.urls import get_resolver

# New objects, and searches among those and among older ones. Python has 700, 10 and 10.
YOUNG, MIDDLE, OLD = 10_000, 3, 30


def warm_up() -> None:
    """Load what all pages need, and leave it out of every later search for garbage.

    What is loaded once stays until the process ends. Python looked through all of it again and
    again, which took 90 ms of whatever page that fell into. What a page leaves behind (some 2,000
    objects, of templates and forms that refer to each other) is looked for every few pages, when
    nothing of it is in use any more: sought within a page it is found alive, set aside, and piles
    up for one search that takes longer than a page. A report of thousands of rows makes enough by
    itself for a search of all: one answer in fifty has to wait for that, and not one in ten.
    """
    get_resolver().reverse_dict  # noqa: B018  (reading it imports every view, and the admin)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
