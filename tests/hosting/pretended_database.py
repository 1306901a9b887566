"""A database's container that keeps a journal, as far as fetching it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

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
