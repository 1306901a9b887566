"""Running a program of chaos as a test: it has processes, a database and an end of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import pytest

from tests.chaos import verdict

BASE = Path(__file__).parents[2]
sys.path.insert(0, str(BASE / "deploy" / "local"))  # as the programs do, for what they import


@dataclass(frozen=True)
class Program:
    """One that runs; what it prints goes to a file."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]

    @classmethod
    def begin(cls, *arguments: str) -> Self:
        """Start it; returns at once."""
        said = tempfile.TemporaryFile()  # noqa: SIM115  (closed by end)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos", *arguments],
            cwd=BASE,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        return cls(process, said)

    def report(self) -> str:
        """What it printed, once it has ended."""
        self.process.wait()
        self.said.seek(0)
        return self.said.read().decode(errors="replace")

    def end(self) -> None:
        """At once, after it has tidied up."""
        self.process.terminate()
        self.process.wait(120)
        self.said.close()


@pytest.fixture(scope="module")
def begin() -> Iterator[Callable[..., Program]]:
    """Start a program; it ends with the tests of the file at the latest."""
    begun: list[Program] = []

    def start(*arguments: str) -> Program:
        begun.append(Program.begin(*arguments))
        return begun[-1]

    yield start
    for each in begun:
        each.end()


@pytest.fixture
def held(
    begin: Callable[..., Program], capsys: pytest.CaptureFixture[str]
) -> Callable[[Program], str]:
    """Wait for a program's end and show its report; fails where something did not hold."""

    def see(program: Program) -> str:
        report = program.report()
        with capsys.disabled():
            print(f"\n{report}")
        wrong = [*verdict.told(report), "The end of the report:", *report.splitlines()[-20:]]
        assert program.process.returncode == 0, "\n".join(wrong)
        return report

    return see
