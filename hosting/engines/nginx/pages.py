"""The pages that the edge itself answers with, as files for nginx to serve.

Each stands alone: inline CSS, light and dark, nothing fetched. nginx puts the host name in by SSI,
which escapes it for HTML, so that a strange ``Host`` header stays text.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

HOST = '<!--# echo var="host" encoding="entity" -->'

_LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">{refresh}
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ground: #fafafa; --text: #18181b; --quiet: #52525b;
  --line: #e4e4e7; --mark: {light} }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ground: #111113; --text: #f4f4f5; --quiet: #a1a1aa; --line: #2a2a2e; --mark: {dark} }}
}}
* {{ box-sizing: border-box }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px;
  background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif }}
main {{ width: 100%; max-width: 480px; border-top: 2px solid var(--mark); padding-top: 20px }}
h1 {{ font-size: 20px; line-height: 1.3; margin: 0 0 8px; overflow-wrap: anywhere }}
p {{ margin: 0; color: var(--quiet) }}
small {{ display: block; margin-top: 24px; padding-top: 12px; border-top: 1px solid var(--line);
  color: var(--quiet); font-size: 13px; font-variant-numeric: tabular-nums }}
</style>
</head>
<body>
<main>
<h1>{heading}</h1>
<p>{text}</p>
<small>{status}</small>
</main>
</body>
</html>
"""

_GREY = ("#71717a", "#a1a1aa")
_BLUE = ("#2563eb", "#60a5fa")
_AMBER = ("#b45309", "#fbbf24")
_RED = ("#b91c1c", "#f87171")


def _page(
    heading: str, text: str, status: str, colours: tuple[str, str], *, refresh_seconds: int = 0
) -> str:
    refresh = (
        f'\n<meta http-equiv="refresh" content="{refresh_seconds}">' if refresh_seconds else ""
    )
    return _LAYOUT.format(
        title=heading,
        heading=heading,
        text=text,
        status=status,
        light=colours[0],
        dark=colours[1],
        refresh=refresh,
    )


PAGES: Mapping[str, str] = MappingProxyType(
    {
        "unknown": _page(
            "There is nothing at this address",
            f"No application answers at {HOST}. Check the address for a typing mistake; a new"
            " application appears here once it has been set up.",
            "404 Not found",
            _GREY,
        ),
        "stopped": _page(
            f"{HOST} is stopped",
            "Its owner has stopped it. Its data is kept, and it can be started again from the"
            " dashboard.",
            "503 Stopped",
            _GREY,
        ),
        "starting": _page(
            f"{HOST} is starting",
            "This usually takes less than a minute. This page looks again by itself.",
            "503 Starting",
            _BLUE,
            refresh_seconds=5,
        ),
        "failed": _page(
            f"{HOST} could not be started",
            "Its owner can see the reason in the dashboard and try again from there.",
            "503 Not available",
            _RED,
        ),
        "unreachable": _page(
            f"{HOST} does not answer",
            "The application is busy or restarting. Try again in a moment.",
            "502 No answer",
            _AMBER,
        ),
        "too-large": _page(
            "The upload is too large",
            f"{HOST} takes smaller requests than this one.",
            "413 Too large",
            _AMBER,
        ),
        "used-up": _page(
            "Used up for this month",
            f"What {HOST} may use this month is used up. It takes such requests again with the new"
            " month, or when its owner has chosen a larger plan. Everything else goes on.",
            "429 Used up",
            _AMBER,
        ),
        "too-many": _page(
            "Too many requests",
            f"Your address has sent more requests to {HOST} than it takes at once. Wait a second"
            " and try again.",
            "429 Too many requests",
            _AMBER,
        ),
    }
)
"""File name without ``.html`` -> the whole page."""
