"""Which of Apprise's services may be used, by the scheme of their URL.

Left out is what runs a program, talks to this machine, writes files, keeps a connection of its own
kind, or sends mail past the mail server that the installation has.
"""

from __future__ import annotations

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
# What some services read: files of this machine, or of anywhere.
_READING = frozenset({"template", "attach", "attachment", "attach-as", "include", "config"})
LONGEST = 2000


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
