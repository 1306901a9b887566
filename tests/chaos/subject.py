"""An instance that things are done to, and what has to be true of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from django.db import connection
from django.utils import timezone

from hosting.flows.working import runner
from hosting.models import Instance, Operation
from hosting.selectors.moves import reversible
from hosting.selectors.saving.backups import newest_proven
from hosting.selectors.upgrading import upgrades
from hosting.services.working import operations
from tests.chaos import engine, evidence, fleet, inside
from tests.chaos.fleet import Fleet
from tests.chaos.waiting import wait_until

PATIENCE = 120
_Kind = Operation.Kind
FIRSTS = (_Kind.PROVISION, _Kind.CLONE)  # what brings an instance up for the first time
ALONE = (_Kind.RESTORE_TEST,)  # what brings one up and takes it away again
# In which states of the instance that kind can be asked for; a rehearsal is done to another one.
STATES = {
    **operations.BY_ITSELF,
    **operations.ALLOWED,
    _Kind.REHEARSAL: (Instance.State.RUNNING,),
}


def with_source(world: Fleet) -> Fleet:
    """With a backup of an instance, for others to be made from it."""
    subject = Subject(world, "source")
    subject.do(_Kind.PROVISION)
    subject.do(_Kind.BACKUP)
    return replace(world, source=newest_proven(subject.instance))


def ready_for(arguments: tuple[Fleet, Subject | str, str]) -> Subject:
    """In a process of a pool: one of which that kind can be asked; for a name, a new one."""
    world, given, kind = arguments
    try:
        first = kind if kind in (*FIRSTS, *ALONE) else FIRSTS[0]
        subject = Subject(world, given, first=first) if isinstance(given, str) else given
        subject.make_ready(kind)
        return subject
    finally:
        connection.close()


class Subject:
    """An ordered instance; its first operation, of that kind, is asked for and not begun."""

    def __init__(self, world: Fleet, name: str, *, first: str = _Kind.PROVISION) -> None:
        match first:
            case _Kind.CLONE:
                self.instance = world.copy(name)
            case _Kind.RESTORE_TEST:
                self.instance = world.scratch()
            case _:
                self.instance = world.order(name)
        self.secrets = inside.secrets_of(self.instance)
        self.keepsake: inside.Keepsake | None = None

    def make_ready(self, kind: str) -> None:
        """Bring the instance to where that kind of operation can be asked of it."""
        if kind in (*FIRSTS, *ALONE):
            return
        if self.instance.state == Instance.State.NEW:
            self.do(_Kind.PROVISION)
        states = STATES[kind]
        if self.instance.state not in states:
            self.do(_Kind.START if Instance.State.RUNNING in states else _Kind.STOP)
        if kind in fleet.CHANGES and self.instance.version != fleet.OLD:
            self.do(_Kind.REVERT)
        if kind in (_Kind.RESTORE, _Kind.REHEARSAL) and not self.instance.backups.exists():
            self.do(_Kind.BACKUP)
        if kind == _Kind.UPGRADE and not self._is_rehearsed():
            self.do(_Kind.REHEARSAL)
        if kind == _Kind.REVERT and not reversible(instance=self.instance, now=timezone.now()):
            self.do(_Kind.RESTORE)

    def ask(self, kind: str) -> Operation:
        """Ask for it, once the instance is where it can be asked."""
        if kind in (*FIRSTS, *ALONE):
            return fleet.newest(self.instance)
        self.make_ready(kind)
        if kind == _Kind.REPAIR:  # there is something to repair then
            engine.client().remove_container(f"{self.instance.project}-web", force=True, v=True)
        return Operation.objects.get(pk=fleet.ask(self.instance, kind).pk)

    def do(self, kind: str) -> None:
        """Have it done here and now, with nobody dying. Raises ``AssertionError``."""
        operation = self.ask(kind)
        self.work_off(operation)
        faults = [*self.faults(operation)]
        assert not faults, f"{kind}, where nobody died: {'; '.join(faults)}"

    def work_off(self, operation: Operation, *, patience: float = PATIENCE) -> None:
        """Be the worker that is rung for until it has ended.

        Mostly once: but on a machine that is too busy a lease of two seconds may run out by itself.
        """

        def has_ended() -> bool:
            runner.run(operation.pk)
            return not fleet.reread(operation).is_active

        wait_until(has_ended, seconds=patience, what=f"{operation} ends", pause=0.2)

    def faults(self, operation: Operation) -> Iterator[str]:
        """What is not as it should be after an operation that somebody ended."""
        operation.refresh_from_db()
        yield from evidence.wrong_with_operation(operation)
        yield from evidence.wrong_with_objects(operation.instance)
        if operation.kind == _Kind.REHEARSAL:  # it was done to another instance, for this one
            yield from evidence.wrong_with_traces(operation.instance)
            return
        self.instance = operation.instance
        if self.instance.state == Instance.State.DELETED:
            yield from evidence.wrong_with_traces(self.instance)
            return
        if inside.secrets_of(self.instance) != self.secrets:
            yield "Berth has other secrets than before"
        if self.instance.state == Instance.State.RUNNING:
            yield from self._wrong_inside()

    def _is_rehearsed(self) -> bool:
        return any(each.passed for each in upgrades.rehearsals_of(self.instance))

    def _wrong_inside(self) -> Iterator[str]:
        seen = inside.look(self.instance)
        yield from seen.wrong_with_secrets()
        now = seen.keepsake
        source = self.instance.made_from
        if self.keepsake is None and source is not None:
            then = inside.look(source.instance).keepsake.account
            if now.account != then:
                yield f"its data is {now.account} and its source's is {then}"
        if self.keepsake not in (None, now):
            yield f"its data is {now.account} and was {self.keepsake}"
        self.keepsake = now
