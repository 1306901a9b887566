"""Why a service does not stay up, as far as its exit and its last words tell."""

from __future__ import annotations

from hosting.engines.base import Engine
from hosting.engines.docker.secret_files import redacted
from hosting.engines.drift import Finding, Kind
from hosting.engines.errors import EngineError, EngineUnavailable
from hosting.engines.observed import Health, Observed, ObservedService
from hosting.engines.wanted import Secret
from hosting.flows import stacks
from hosting.models import Instance

LAST_LINES = 5
LONGEST_WORDS = 600  # characters; the log itself has the rest
_CAUSED_BY = (Kind.LOOPING, Kind.STOPPED, Kind.UNHEALTHY)
# Exit codes by convention of the shell and the kernel: 128 + the signal's number.
_BY_EXIT_CODE = {
    0: "it ended by itself, without an error",
    125: "the engine could not run it",
    126: "its start command may not be executed",
    127: "its start command does not exist in the image",
    134: "it aborted (SIGABRT)",
    137: "it was killed from outside (SIGKILL)",
    139: "it crashed (SIGSEGV)",
    143: "it was asked to end from outside (SIGTERM)",
}
_BY_LAST_WORDS = (
    ("No space left on device", "the disk is full"),
    ("JavaScript heap out of memory", "it ran out of memory"),
    ("Cannot allocate memory", "it ran out of memory"),
    ("Permission denied", "it was denied access to a file"),
    ("address already in use", "its port is taken"),
)


def explain(
    *, engine: Engine, instance: Instance, findings: tuple[Finding, ...], observed: Observed
) -> str:
    """What is wrong, the likely cause and the last words, for a person.

    No secret of the instance is in it. ``observed`` comes from a look at the containers.
    """
    for finding in findings:
        seen = observed.service(finding.subject)
        if finding.kind in _CAUSED_BY and seen is not None:
            log = redacted(_log(engine, instance, seen.name), _secrets(instance))
            said = f" Its last words: {_one_line(log)}" if log.strip() else ""
            return f"{_capital(finding.text)}: {likely_cause(seen, log)}.{said}"
    return f"{_capital('; '.join(each.text for each in findings))}."


def likely_cause(seen: ObservedService, log: str) -> str:
    """The most telling thing that is known."""
    if seen.oom_killed:
        return "it needed more memory than its limit, and was killed for it"
    for words, cause in _BY_LAST_WORDS:
        if words.lower() in log.lower():
            return cause
    if seen.exit_code is None and seen.health is Health.UNHEALTHY:
        return "it runs, but its readiness check fails"
    if seen.exit_code is None:
        return "it runs at the moment, so that the engine no longer tells how it ended"
    return _BY_EXIT_CODE.get(seen.exit_code, f"it ended with exit code {seen.exit_code}")


def _secrets(instance: Instance) -> tuple[Secret, ...]:
    stack = stacks.build(instance)
    return tuple({secret for service in stack.services for secret in service.secrets})


def _log(engine: Engine, instance: Instance, service: str) -> str:
    """Its last lines; none where the engine can't read them, which is no reason to say nothing."""
    try:
        return engine.logs(str(instance.pk), service, lines=LAST_LINES)
    except EngineUnavailable:
        raise
    except EngineError:
        return ""


def _one_line(log: str) -> str:
    """As one sentence can show it, the end where it is too long: that tells more."""
    lines = " / ".join(line.strip() for line in log.splitlines() if line.strip())
    shown = "".join(each for each in lines if each.isprintable())
    return shown if len(shown) <= LONGEST_WORDS else f"… {shown[-LONGEST_WORDS:]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
