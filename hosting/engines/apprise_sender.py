"""Sending through Apprise, in a process of its own: see ``apprise_process``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from hosting.engines.outward import Policy

SECONDS = 40.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Sent:
    """Whether the service took it, or why not. ``is_final`` where another try can't help."""

    is_ok: bool
    why: str = ""
    is_final: bool = False


async def send(*, url: str, title: str, body: str, policy: Policy) -> Sent:
    """Send one message. The URL goes in by standard input: command lines can be read by others."""
    asked = {
        "url": url,
        "title": title,
        "body": body,
        "never": [str(each) for each in policy.never],
        "allowed": [str(each) for each in policy.allowed],
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hosting.engines.apprise_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=_ROOT,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": "/nonexistent"},  # no secret of ours
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, _ = await process.communicate(json.dumps(asked).encode())
    except TimeoutError:
        return Sent(is_ok=False, why=f"no answer within {SECONDS:g} s")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return _parsed(out)


def _parsed(out: bytes) -> Sent:
    """Out of the last line; a plugin may have printed before."""
    try:
        said = json.loads(out.splitlines()[-1])
        return Sent(is_ok=said["is_sent"], why=said["why"], is_final=said.get("is_final", False))
    except (IndexError, ValueError, KeyError, TypeError):
        return Sent(is_ok=False, why="The process that was to send it ended without a word.")
