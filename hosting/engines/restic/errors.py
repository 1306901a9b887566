"""What can go wrong with a repository, told from restic's words.

restic 0.14 ends with status 1 for nearly everything; only its texts tell a full disk from a wrong
password. The texts hold for all versions up to now.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from hosting.engines.errors import EngineError, GiveUp, TryLater


class WrongPassword(GiveUp):
    """The repository exists and was made with another password."""


class RepositoryMissing(GiveUp):
    """There is no repository at that place."""


class Damaged(GiveUp):
    """What was stored is not there, or not as it was written."""


class TargetFull(GiveUp):
    """The target has no space, or a quota is used up."""


class TargetRefused(GiveUp):
    """The target answers and does not let us in."""


class TargetUnavailable(TryLater):
    """The target does not answer, or stopped in the middle."""


class Locked(TryLater):
    """Another process that is alive works on the repository."""


# The repository itself is the trouble, not the way to it.
BROKEN = (Damaged, RepositoryMissing, WrongPassword)
# Nothing can be done with its place at present.
AWAY = (TargetUnavailable, TargetRefused, TargetFull)

_SECRET_MASK = "•••"  # noqa: S105  # what is shown instead of one
_LONGEST_REASON = 300
_DAMAGED_PART = re.compile(r"\b(pack|blob|tree|id|want|prefix) \"?([0-9a-f]{8})", re.IGNORECASE)
_PART_NAMES = {"want": "pack", "prefix": "snapshot"}  # "Pack ID does not match, want 1234..."

# Tried in this order. A target that is away also makes restic ask "Is there a repository?" and
# count errors in `check`, so what is said of the target comes before both.
_CAUSES: tuple[tuple[type[EngineError], str, tuple[str, ...]], ...] = (
    (Locked, "is in use by another process", ("is already locked",)),
    (WrongPassword, "has another password", ("wrong password or no key found",)),
    (
        TargetFull,
        "could not be written: its target has no space left",
        (
            "no space left on device",
            "quota exceeded",
            "quotaexceeded",
            "storagefull",
            "minimum free drive threshold",
            "insufficient storage",
        ),
    ),
    (
        TargetRefused,
        "could not be opened: its target refused the access",
        (
            "signature we calculated does not match",
            "access denied",
            "accessdenied",
            "forbidden",
            "access key id you provided",
            "invalidaccesskeyid",
            "permission denied",
            "host key verification failed",
            "x509: ",
            "read-only file system",
        ),
    ),
    (
        TargetUnavailable,
        "could not be reached: its target does not answer",
        (
            "connection refused",
            "connection reset",
            "connection closed",
            "connection lost",
            "connection timed out",
            "no such host",
            "could not resolve hostname",
            "temporary failure in name resolution",
            "server misbehaving",
            "i/o timeout",
            "tls handshake timeout",
            "timeout awaiting response",
            "no route to host",
            "network is unreachable",
            "unable to start the sftp session",
            "service unavailable",
            "bad gateway",
            "gateway timeout",
            "please reduce your request rate",
        ),
    ),
    (RepositoryMissing, "does not exist", ("is there a repository at the following location",)),
    (
        Damaged,
        "is damaged",
        (
            "verification failed",
            "pack id does not match",
            "does not match id",
            "hash mismatch",
            "invalid data returned",
            "repository contains errors",
            "not found in repository",
            "not found in index",
            "no matching id found",
            "not found in snapshot",
            "readfull(<",
            "unexpected eof",
            "cannot dump file",
        ),
    ),
)


def explain(repository: str, words: str, *, secrets: Collection[str] = ()) -> EngineError:
    """The error that restic's words mean; none of the secrets is in its text."""
    said = _said(words)
    for kind, sentence, signs in _CAUSES:
        if any(sign in line.lower() for sign in signs for line in said):
            return kind(f"the backup repository {repository} {sentence}{_reason(kind, said)}")
    told = said[0] if said else "it gave no reason"
    return GiveUp(f"restic failed on the backup repository {repository}: {scrub(told, secrets)}")


def scrub(text: str, secrets: Collection[str]) -> str:
    """One line for a person: without the secrets, without passwords in addresses, not too long."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _SECRET_MASK)
    text = re.sub(r"(://[^\s:/@]*):[^\s/@]+@", rf"\1:{_SECRET_MASK}@", text)
    return text.strip()[:_LONGEST_REASON]


def _said(words: str) -> list[str]:
    """The lines that are no mere retry; those when there is nothing else."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return [line for line in lines if "retrying after" not in line] or lines


def _reason(kind: type[EngineError], said: list[str]) -> str:
    """What is damaged, as far as restic tells: ids are random and give nothing away."""
    if kind is not Damaged:
        return ""
    found = _DAMAGED_PART.search(" ".join(said))
    return f" ({_PART_NAMES.get(found[1].lower(), found[1])} {found[2]})" if found else ""
