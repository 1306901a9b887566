"""Running restic on one repository: what it is given, what it says, and what its failure means."""

from __future__ import annotations

from dataclasses import dataclass, field

from hosting.engines.base import Report, silent
from hosting.engines.errors import EngineError
from hosting.engines.restic.errors import Locked, TargetUnavailable, explain, scrub
from hosting.engines.restic.process import Child, Stalled
from hosting.engines.restic.program import environment
from hosting.engines.restic.target import Target

_PASSWORD = "RESTIC_PASSWORD_FILE"  # noqa: S105
_OTHER_PASSWORD = "RESTIC_FROM_PASSWORD_FILE"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Runs:
    """A place for a repository, with its password: restic can be run on it."""

    target: Target
    name: str
    password: str = field(repr=False)

    def unlock_stale(self) -> None:
        """Remove the locks of processes that are dead, or silent for half an hour."""
        self._once("unlock", "--quiet")

    def _run(self, *arguments: str, report: Report = silent) -> str:
        """What restic wrote to its output; a dead process' lock does not keep it from running."""
        try:
            return self._once(*arguments, report=report)
        except Locked:
            self.unlock_stale()
        return self._once(*arguments, report=report)

    def _once(self, *arguments: str, report: Report = silent) -> str:
        self.target.refuse_missing()
        with self._child(*arguments) as child:
            child.close_input()
            return self._collect(child, report)

    def _collect(self, child: Child, report: Report) -> str:
        written, rest = bytearray(), b""
        for chunk in child.output():
            written += chunk
            *lines, rest = (rest + chunk).split(b"\n")
            for line in filter(None, lines):
                report(scrub(line.decode(errors="replace"), self._secrets()))
        self._end(child)
        return written.decode()

    def _child(self, *arguments: str, other: Runs | None = None) -> Child:
        """Start restic on this repository; ``other`` is one to copy from."""
        given = {**self.target.environment, "RESTIC_REPOSITORY": self.target.address(self.name)}
        options = list(self.target.all_options())
        passwords = {_PASSWORD: self.password}
        if other is not None:
            given = {**other.target.environment, **given}
            given["RESTIC_FROM_REPOSITORY"] = other.target.address(other.name)
            options += [each for each in other.target.all_options() if each not in options]
            passwords[_OTHER_PASSWORD] = other.password
        # A cache saves nothing that can be measured: a snapshot is one file, its index is small.
        return Child(
            ["restic", "--no-cache", *(f"--option={each}" for each in options), *arguments],
            environment=environment(given),
            passwords=passwords,
            stall=self.target.stall,
        )

    def _end(self, child: Child) -> None:
        """Wait for it. Raises what its words mean where it failed."""
        try:
            status = child.wait()
        except Stalled:
            raise TargetUnavailable(
                f"the backup repository {self.name} was given up:"
                f" nothing moved for {self.target.stall}"
            ) from None
        if status != 0:
            raise self._error(child)

    def _error(self, child: Child) -> EngineError:
        return explain(self.name, child.words, secrets=self._secrets())

    def _secrets(self) -> tuple[str, ...]:
        return (self.password, *filter(None, self.target.environment.values()))
