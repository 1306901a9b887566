"""A database's container that keeps a journal, as far as fetching it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hosting.engines.errors import TryLater
from hosting.engines.observed import RunResult
from tests.hosting.engines import tars

AT = datetime(2026, 3, 1, 2, 34, 56, 789000, tzinfo=UTC)


def segment(number: int) -> str:
    """The name of that piece."""
    return f"{1:08X}{0:08X}{number:08X}"


@dataclass
class Database:
    """What answers in the database's container."""

    files: dict[str, bytes] = field(default_factory=dict)
    at: datetime = AT
    snapshot: str = "700:700:"
    last: str = "-"
    whole: str = "yes"
    left: int = 0
    is_ours: bool = True
    asked: list[tuple[str, ...]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def answer(self, instance: str, service: str, command: tuple[str, ...]) -> Iterable[bytes]:
        """What the command of ``flows.shipping`` gets."""
        self.asked.append(command[4:])
        if not self.is_ours:
            yield b"berth-journal not-ours\n\n"
            return
        for name in command[9:-1]:
            self.files.pop(name, None)
        names = sorted(self.files)
        head = f"berth-journal {self.at.timestamp():.6f} {self.snapshot} {self.last}"
        lines = [f"{head} {self.whole} {self.left}", *names]
        yield "".join(f"{line}\n" for line in lines).encode()[:40]
        yield "".join(f"{line}\n" for line in lines).encode()[40:] + b"\n"
        self.meanwhile()
        if names:
            yield tars.tar(*(tars.file(f"{name}.gz", self.files[name]) for name in names))

    def write(self, *numbers: int) -> None:
        """Something was committed, and these pieces hold it."""
        self.files |= {segment(number): str(number).encode() for number in numbers}
        self.last = segment(max(numbers))
        self.at += timedelta(seconds=20)


LABEL = f"START WAL LOCATION: 0/2000028 (file {segment(2)})\n"
BASE = tars.tar(
    tars.file("backup_label", LABEL.encode(), uid=999, gid=999),
    tars.folder("base", mode=0o700, uid=999),
    tars.file("base/1", b"rows", uid=999),
)


@dataclass
class Server(Database):
    """A database that is asked, copied, and brought forward."""

    generation: str = "1"
    base: bytes = BASE
    is_behind: bool = False
    place: str = "0/0"
    promoted: int = 0
    said: list[str] = field(default_factory=list)

    def read(self, instance: str, service: str, command: tuple[str, ...]) -> Iterable[bytes]:
        match command[0]:
            case "sh":
                return self.answer(instance, service, command)
            case "pg_basebackup":
                self.at += timedelta(seconds=1)
                return [self.base] if self.base else self._fail()
        return [b"a dump"]

    def run(self, instance: str, service: str, command: tuple[str, ...]) -> RunResult:
        sql = command[-1]
        self.said.append(sql)
        if "berth.generation" in sql:
            return RunResult(0, f"{self.generation}\n")
        if "clock_timestamp" in sql:
            return RunResult(0, f"{self.at.timestamp():.6f}\n")
        if "pg_promote" in sql:
            self.promoted, self.is_behind = self.promoted + 1, False
            return RunResult(0, "t\n")
        if "pg_is_in_recovery" in sql:
            return RunResult(0, f"{'t' if self.is_behind else 'f'}|{self.place}\n")
        return RunResult(0, "7\n")

    def _fail(self) -> Iterable[bytes]:
        raise TryLater("the copy broke off")
