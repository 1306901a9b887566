"""What an engine says where it could not do something; the kind tells what to do about it."""

from __future__ import annotations


class EngineError(Exception):
    """Something an engine could not do; its text is one sentence a person can act on."""


class TryLater(EngineError):
    """The cause may pass by itself: ask again after a while."""


class EngineUnavailable(TryLater):
    """The engine does not answer at all; nothing about the stack is known."""


class GiveUp(EngineError):
    """Asking again will not help: a person has to change something."""


class SubnetTaken(GiveUp):
    """The engine's host already uses an address range that overlaps a wanted subnet."""

    def __init__(self, subnet: str) -> None:
        super().__init__(f"the subnet {subnet} overlaps a network that the server already has")
        self.subnet = subnet


class CommandFailed(GiveUp):
    """A command ran to its end inside a container and said that it failed."""

    def __init__(self, service: str, program: str, exit_code: int, said: str) -> None:
        words = " / ".join(filter(None, map(str.strip, said.splitlines())))
        told = f': "{words}"' if words else ""
        super().__init__(
            f"the command {program} in the service {service} ended with exit code {exit_code}{told}"
        )
        self.exit_code = exit_code
