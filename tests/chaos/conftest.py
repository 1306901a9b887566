"""Running a program of chaos as a test: it has processes, a database and an end of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos import verdict

BASE = Path(__file__).parents[2]
Held = Callable[..., str]


@pytest.fixture
def held(capsys: pytest.CaptureFixture[str]) -> Held:
    """Run a program to its end and show its report; fails where something did not hold."""

    def run(*arguments: str) -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos", *arguments],
            cwd=BASE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            report, _ = process.communicate()
        finally:
            process.terminate()  # it tidies up first
            process.wait(120)
        with capsys.disabled():
            print(f"\n{report}")
        wrong = [*verdict.told(report), "The end of the report:", *report.splitlines()[-20:]]
        assert process.returncode == 0, "\n".join(wrong)
        return report

    return run
