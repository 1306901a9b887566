"""Which of Apprise's services may be used, by the scheme of their URL.

Left out is what runs a program, talks to this machine, writes files, keeps a connection of its own
kind, or sends mail past the mail server that the installation has.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from hosting.engines.outward import Policy, Refused

# Their addresses are fixed, in Apprise itself.
SERVICES = frozenset(
    {
        *("betterstack", "bluesky", "bsky", "dingtalk", "discord", "feishu", "flock", "fluxer"),
        *("gchat", "guilded", "ilert", "incidentio", "join", "lark", "line", "mailgun"),
        *("opsgenie", "pagerduty", "pagertree", "pbul", "pover", "prowl", "pushy", "resend"),
        *("revolt", "sendgrid", "signl4", "slack", "spike", "splunk", "squadcast", "tgram"),
        *("twilio", "twist", "victorops", "webex", "wxteams", "zulip"),
    }
)
# The URL says which host.
WITH_HOST = frozenset(
    {
        *("form", "forms", "gotify", "gotifys", "json", "jsons", "matrix", "matrixs", "mmost"),
        *("mmosts", "nctalk", "nctalks", "ntfy", "ntfys", "rocket", "rockets", "signal"),
        *("signals", "synology", "synologys", "workflow", "workflows", "xml", "xmls"),
    }
)
SCHEMES = SERVICES | WITH_HOST
# Those in which a topic or a token may stand where the host would: ``ntfy://topic``.
_HOSTLESS = frozenset({"ntfy", "ntfys", "matrix", "matrixs"})
# What some services read: files of this machine, or of anywhere.
_READING = frozenset({"template", "attach", "attachment", "attach-as", "include", "config"})
LONGEST = 2000
# By which Apprise parts a list of URLs: behind any of them another one begins.
_ANOTHER = re.compile(r"[,;][a-z0-9]+://", re.IGNORECASE)


def problem(url: str, policy: Policy) -> str:
    """What is wrong with such a URL, in a sentence; empty where nothing is. Asks no network."""
    if len(url) > LONGEST or any(not 32 < ord(each) < 127 for each in url):
        return "Such a URL has no spaces or other special characters."
    scheme, separator, _ = url.partition("://")
    scheme = scheme.lower()
    if not separator or not scheme:
        return "Write a URL as Apprise has them, such as slack://token-a/token-b/token-c/#channel."
    if scheme not in SCHEMES:
        return f"Berth does not send to “{scheme[:20]}”."
    return _problem_within(url, scheme, policy)


def _problem_within(url: str, scheme: str, policy: Policy) -> str:
    if _ANOTHER.search(url):
        return "One channel leads to one service: add another channel for the other URL."
    try:
        parts = urlsplit(url)
        asked = {key.lower().lstrip("+-: ") for key, _ in parse_qsl(parts.query)}
    except ValueError:
        return "This is not a URL."
    if asked & _READING:
        return f"“{sorted(asked & _READING)[0]}” can't be used here."
    if scheme in WITH_HOST and parts.hostname:
        try:
            policy.check_host(parts.hostname)
        except Refused as refused:
            return f"{refused} Berth sends to public addresses only."
    return ""


def host(url: str) -> str:
    """The host that such a URL names; empty where it names none, or where that may be a secret."""
    parts = urlsplit(url)
    if parts.scheme not in WITH_HOST or "@" in parts.netloc:
        return ""
    is_bare = not parts.path.strip("/") or "mode" in parts.query.lower()
    return "" if parts.scheme in _HOSTLESS and is_bare else parts.hostname or ""
