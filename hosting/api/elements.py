"""Cutting a JSON list into its elements without recursion, however deep one of them goes.

Decoders recurse, so an element that is nested too deeply makes them give up the whole list. This
one only finds where each element begins and ends, and that the list is JSON. It is slower, and so
it is asked only then, and gives up a body with more tokens than events that are meant have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_TOKENS = 100_000  # a thousand events with all attributes have half of that
# NaN and Infinity are no JSON, but written by many; they are refused where they are used.
_TOKEN = re.compile(
    rb"[ \t\n\r]*(?:"
    rb'(?P<text>"[^"\\\x00-\x1f]*(?:\\["\\/bfnrtu][^"\\\x00-\x1f]*)*")'
    rb"|(?P<plain>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z.])"
    rb"|(?:true|false|null|NaN|-?Infinity)(?![0-9A-Za-z]))"
    rb"|(?P<sign>[\[\]{}:,]))"
)
_SPACE = re.compile(rb"[ \t\n\r]*")
_VALUE, _OR_END, _KEY, _KEY_OR_END, _COLON, _MORE = range(6)
_OPENS = {b"[": (b"]", _OR_END), b"{": (b"}", _KEY_OR_END)}


class NotJson(ValueError):
    """The body is no JSON list, or has too much in it to be cut apart."""


def split(body: bytes) -> list[bytes]:
    """The elements of a list. Raises ``NotJson``."""
    ends: list[bytes] = []  # what closes the lists and objects that are open
    found: list[bytes] = []
    begin, wanted = 0, _VALUE
    for kind, token, start, end in _tokens(body):
        if not ends and token != b"[":
            raise NotJson(f"a list was expected (byte {start})")
        if len(ends) == 1 and wanted in (_VALUE, _OR_END):
            begin = start
        wanted = _next(kind, token, wanted, ends, start)
        if len(ends) == 1 and wanted == _MORE:
            found.append(body[begin:end])
        if not ends:
            if _SPACE.fullmatch(body, end):
                return found
            raise NotJson(f"there is more after its end (byte {end})")
    raise NotJson("it ends too early")


def _tokens(body: bytes) -> Iterator[tuple[str | None, bytes, int, int]]:
    """Kind, text, begin and end of each. Raises ``NotJson``."""
    at = 0
    for _ in range(MOST_TOKENS):
        match = _TOKEN.match(body, at)
        if match is None:
            return
        at = match.end()
        yield match.lastgroup, match[match.lastgroup or 0], match.start(match.lastgroup or 0), at
    raise NotJson("it is nested too deeply")


def _next(kind: str | None, token: bytes, wanted: int, ends: list[bytes], at: int) -> int:
    """What may follow the token; ``ends`` is brought up to date. Raises ``NotJson``."""
    if kind == "text" and wanted in (_KEY, _KEY_OR_END):
        return _COLON
    if kind in ("text", "plain") and wanted in (_VALUE, _OR_END):
        return _MORE
    if token in _OPENS and wanted in (_VALUE, _OR_END):
        closing, first = _OPENS[token]
        ends.append(closing)
        return first
    if token == b":" and wanted == _COLON:
        return _VALUE
    if token == b"," and wanted == _MORE:
        return _VALUE if ends[-1] == b"]" else _KEY
    if wanted in (_MORE, _OR_END, _KEY_OR_END) and ends and token == ends[-1]:
        ends.pop()
        return _MORE
    raise NotJson(f"{token[:20].decode(errors='replace')} was not expected (byte {at})")
