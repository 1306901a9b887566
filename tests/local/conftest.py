"""Fixtures: a checkout of its own for each test, gone without a trace afterwards."""

import json
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.local.checkout import REPOSITORY, Checkout


@pytest.fixture
def make_checkout() -> Iterator[Callable[..., Checkout]]:
    made: list[Checkout] = []

    def make(mode: int = 0o755) -> Checkout:
        root = Path(tempfile.mkdtemp(prefix="berth-test-"))
        root.chmod(mode)
        shutil.copytree(
            REPOSITORY / "deploy" / "local",
            root / "deploy" / "local",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        made.append(Checkout(root))
        return made[-1]

    yield make
    for checkout in made:
        for process in checkout.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
        for record in checkout.var.glob("postgres.json"):
            shutil.rmtree(Path(json.loads(record.read_text())["data"]).parent, ignore_errors=True)
        shutil.rmtree(checkout.root, ignore_errors=True)


@pytest.fixture
def checkout(make_checkout: Callable[..., Checkout]) -> Checkout:
    return make_checkout()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]
