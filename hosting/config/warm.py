"""What a web process does before its first page."""

from __future__ import annotations

import gc

from django.urls import get_resolver

OLD_AFTER = 50  # searches among the young before one of all, instead of 10


def warm_up() -> None:
    """Load what all pages need, and leave it out of every later search for garbage.

    What is loaded once stays until the process ends. Python looked through all of it again and
    again, which took 90 ms of whatever page that fell into. What pages load after that, such as
    templates, and leave behind is looked through once in some hundred pages: as much garbage as a
    thousand leave takes more than a second at a time.
    """
    get_resolver().reverse_dict  # noqa: B018  (reading it imports every view, and the admin)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], OLD_AFTER)
