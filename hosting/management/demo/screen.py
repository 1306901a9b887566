"""What the demonstration shows on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from hosting.models import Operation, OperationStep

_LOOK_EVERY_SECONDS = 0.2


def follow(console: Console, operation: Operation, fallen: Callable[[], str | None]) -> Operation:
    """Show the steps as they happen until the operation ends; return it as it is then.

    Raises ``RuntimeError`` with the reason when a process of Berth has ended meanwhile.
    """
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task(str(operation), total=1)
        told: set[str] = set()
        while True:
            operation.refresh_from_db()
            steps = list(operation.steps.order_by("position"))
            for step in steps:
                if step.state == OperationStep.State.DONE and step.name not in told:
                    told.add(step.name)
                    progress.console.print(f"  [green]✓[/] {step.title:<36} {_took(step)}")
            current = next((s for s in steps if s.state == OperationStep.State.RUNNING), None)
            progress.update(
                bar,
                completed=len(told),
                total=len(steps) or 1,
                description=_now(operation, current),
            )
            if not operation.is_active:
                return operation
            if reason := fallen():
                raise RuntimeError(reason)
            time.sleep(_LOOK_EVERY_SECONDS)


def _now(operation: Operation, current: OperationStep | None) -> str:
    if operation.state == Operation.State.QUEUED and operation.reason:
        return operation.reason
    if current is None:
        return operation.get_state_display()
    last = current.output.strip().rpartition("\n")[2]
    return f"{current.title}: {last[:60]}" if last else current.title


def _took(step: OperationStep) -> str:
    if step.started_at is None or step.finished_at is None:
        return ""
    return f"{(step.finished_at - step.started_at).total_seconds():6.1f} s"


def show_proof(console: Console, shown: Sequence[tuple[str, float]]) -> None:
    """What was proved, a line each."""
    console.print("\n[bold]Proof[/]")
    for what, seconds in shown:
        console.print(f"  [green]✓[/] {what:<58} {seconds:5.2f} s")


def show_addresses(console: Console, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Where to go, and how to get in: what, address, log-in, password."""
    console.print("\n[bold]Where to go[/]")
    for what, address, login, password in rows:
        console.print(f"  {what:<18} {address}", soft_wrap=True)
        console.print(f"  {'':<18} {login}  {password}", soft_wrap=True, highlight=False)
