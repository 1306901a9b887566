"""What a person is told about a service that does not stay up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hosting.engines.drift import Finding, Kind
from hosting.engines.errors import GiveUp
from hosting.engines.memory import MemoryEngine
from hosting.engines.observed import ContainerState, Health, Observed, ObservedService
from hosting.flows.watching import diagnosis
from hosting.models import Drift, Incident, Instance, InstanceSecret, Operation, Server
from tenants.models import AuditEvent
from tests.hosting.rounds import one_round, pass_time, work_all

pytestmark = pytest.mark.django_db

ENDED = ObservedService(
    name="web",
    container_id="1",
    state=ContainerState.RESTARTING,
    health=Health.NONE,
    spec_hash="",
    image="web",
    exit_code=1,
)


@pytest.mark.parametrize(
    ("changes", "log", "cause"),
    [
        ({"oom_killed": True, "exit_code": 137}, "", "more memory than its limit"),
        ({"exit_code": 137}, "", "killed from outside (SIGKILL)"),
        ({"exit_code": 139}, "", "crashed (SIGSEGV)"),
        ({"exit_code": 127}, "", "does not exist in the image"),
        ({"exit_code": 0}, "", "ended by itself, without an error"),
        ({"exit_code": 42}, "", "ended with exit code 42"),
        ({"exit_code": 1}, "write failed: No space left on device", "the disk is full"),
        ({"exit_code": 1}, "mkdir: permission denied", "denied access to a file"),
        ({"exit_code": 134}, "JavaScript heap out of memory", "ran out of memory"),
        ({"exit_code": None, "health": Health.UNHEALTHY}, "", "its readiness check fails"),
        ({"exit_code": None, "state": ContainerState.RUNNING}, "", "runs at the moment"),
    ],
)
def test_it_names_the_most_telling_cause(changes: dict[str, object], log: str, cause: str) -> None:
    seen = replace(ENDED, **changes)  # type: ignore[arg-type]
    assert cause in diagnosis.likely_cause(seen, log)


@pytest.mark.parametrize(
    ("deed", "cause"),
    [
        ({"oom": True, "exit_code": 137}, "it needed more memory than its limit"),
        ({"exit_code": 3}, "it ended with exit code 3"),
        ({"exit_code": 127}, "its start command does not exist in the image"),
    ],
)
def test_a_degraded_instance_says_what_ended_why_and_its_last_words(
    deed: dict[str, int],
    cause: str,
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
) -> None:
    memory_engine.hands.loop(str(book.pk), "web", restarts=9, **deed)  # type: ignore[arg-type]
    one_round(memory_server)
    book.refresh_from_db()
    assert book.state == Instance.State.DEGRADED
    assert book.state_reason.startswith("Web ends each time it is started: ")
    assert cause in book.state_reason
    assert "Its last words: web started / web started" in book.state_reason
    assert Incident.objects.get().summary == f"acme/book: {book.state_reason}"


def test_a_full_disk_is_named_from_the_last_words(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _say(monkeypatch, memory_engine, "PANIC: could not write: No space left on device\n")
    memory_engine.hands.loop(str(book.pk), "db", restarts=9)
    one_round(memory_server)
    book.refresh_from_db()
    assert "Db ends each time it is started: the disk is full." in book.state_reason


def test_a_missing_image_is_named_by_the_repair_that_needed_it(
    book: Instance, memory_engine: MemoryEngine, memory_server: Server
) -> None:
    from hosting.flows import stacks

    [image, *_] = stacks.build(book).images
    memory_engine.faults.missing_images.add(image)
    memory_engine.hands.remove_container(str(book.pk), "web")
    one_round(memory_server)
    [repair] = work_all()
    book.refresh_from_db()
    assert (repair.state, book.state) == ("failed", "degraded")
    assert book.state_reason == f"the image {image} does not exist"
    assert image in Incident.objects.get(closed_at=None).summary
    memory_engine.faults.missing_images.clear()
    pass_time()
    one_round(memory_server)
    [repair] = work_all()
    book.refresh_from_db()
    assert (repair.state, book.state) == ("succeeded", "running")
    assert not Incident.objects.filter(closed_at=None).exists()


def test_no_secret_of_the_instance_is_told_whatever_it_says_as_it_ends(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    secrets = [each.reveal() for each in InstanceSecret.objects.filter(instance=book)]
    assert len(secrets) == 3
    _say(monkeypatch, memory_engine, "".join(f"config: {each}\n" for each in secrets))
    memory_engine.hands.loop(str(book.pk), "web", restarts=9)
    one_round(memory_server)
    memory_engine.hands.kill(str(book.pk), "db")
    Instance.objects.update(repairs=99)
    one_round(memory_server)
    book.refresh_from_db()
    assert "[secret]" in book.state_reason
    told = [
        book.state_reason,
        caplog.text,
        *Incident.objects.values_list("summary", flat=True),
        *Drift.objects.values_list("found", flat=True),
        *Operation.objects.values_list("reason", flat=True),
        *map(str, AuditEvent.objects.values_list("after", flat=True)),
    ]
    for text in told:
        assert not [each for each in secrets if each.strip() in text]


def test_what_it_says_is_cut_to_its_end_and_to_what_can_be_shown(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _say(monkeypatch, memory_engine, "x" * 10_000 + "\x00\x1b[31m the cause\n")
    memory_engine.hands.loop(str(book.pk), "web", restarts=9)
    one_round(memory_server)
    book.refresh_from_db()
    assert book.state == Instance.State.DEGRADED
    assert book.state_reason.endswith("xx[31m the cause")
    assert len(book.state_reason) < 1000


def test_a_log_that_cannot_be_read_keeps_nothing_from_being_said(
    book: Instance,
    memory_engine: MemoryEngine,
    memory_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreadable(instance: str, service: str, *, lines: int = 200) -> str:
        raise GiveUp("the log is broken")

    monkeypatch.setattr(memory_engine, "logs", unreadable)
    memory_engine.hands.loop(str(book.pk), "web", restarts=9, exit_code=5)
    one_round(memory_server)
    book.refresh_from_db()
    assert book.state_reason == "Web ends each time it is started: it ended with exit code 5."


def test_what_no_service_explains_is_said_as_it_was_found(
    book: Instance, memory_engine: MemoryEngine
) -> None:
    findings = (
        Finding(Kind.NETWORK_MISSING, "net", "the network net is missing"),
        Finding(Kind.MISSING, "web", "web has no container"),
    )
    said = diagnosis.explain(
        engine=memory_engine,
        instance=book,
        findings=findings,
        observed=Observed(str(book.pk)),
    )
    assert said == "The network net is missing; web has no container."


def _say(monkeypatch: pytest.MonkeyPatch, engine: MemoryEngine, words: str) -> None:
    def logs(instance: str, service: str, *, lines: int = 200) -> str:
        return words

    monkeypatch.setattr(engine, "logs", logs)
