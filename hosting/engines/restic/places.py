"""The kinds of places that hold repositories, and how their locations are written."""

from __future__ import annotations

import re
from enum import StrEnum

from hosting.engines.errors import GiveUp


class Kind(StrEnum):
    """How a target is spoken to."""

    LOCAL = "local"
    S3 = "s3"
    SFTP = "sftp"


def sftp_parts(location: str) -> tuple[str, str, str]:
    """User and host, port ("" for the usual one) and path of an ``sftp:`` location."""
    url = re.fullmatch(r"sftp://([^:/]+|(?:[^@/]+@)?\[[^\]]+\])(?::(\d+))?/(.*)", location)
    if url:
        return url[1], url[2] or "", url[3]
    short = re.fullmatch(r"sftp:((?:[^@/:]+@)?(?:\[[^\]]+\]|[^:/]+)):(.*)", location)
    if short:
        return short[1], "", short[2]
    raise GiveUp("an SFTP target is sftp:user@host:/path or sftp://user@host:port//path")
