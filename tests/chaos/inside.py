"""What the services of a running instance hold in themselves: asked once, inside each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from hosting.engines.wanted import Service
from hosting.flows import stacks
from hosting.flows.engines import engine_for
from hosting.models import Instance

_BETWEEN = "\x1e"
_ACCOUNTS = {
    "web": "cat /data/account",
    "redis": 'REDISCLI_AUTH="$(cat /run/secrets/redis_password)" redis-cli smembers accounts',
}


@dataclass(frozen=True)
class Keepsake:
    """What must never change as long as an instance lives."""

    account: str
    secrets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Inside:
    """The accounts that each service knows, and each secret as each service has it."""

    instance: Instance
    accounts: dict[str, str]
    secrets: dict[tuple[str, str], str]  # by service and name

    @property
    def keepsake(self) -> Keepsake:
        """Raises ``AssertionError`` where its parts don't fit together."""
        web, redis = self.accounts["web"], self.accounts["redis"]
        assert redis == web, f"Redis has the accounts {redis.split()}, web has {web}"
        return Keepsake(web, secrets_of(self.instance))

    def wrong_with_secrets(self) -> Iterator[str]:
        """Every service finds in its files what Berth has."""
        values = dict(secrets_of(self.instance))
        for service in stacks.build(self.instance).services:
            for secret in service.secrets:
                if self.secrets[service.name, secret.name] != secret.value.strip():
                    yield f"{service.name} has another {secret.name} than Berth"
                if secret.name in values and values[secret.name] != secret.value:
                    yield f"the stack has another {secret.name} than Berth"


def secrets_of(instance: Instance) -> tuple[tuple[str, str], ...]:
    """Name and value of each secret that Berth has of the instance."""
    return tuple(sorted((each.name, each.reveal()) for each in instance.secrets.all()))


def look(instance: Instance) -> Inside:
    """Of one that runs. Raises ``AssertionError`` where a service does not say."""
    seen = Inside(instance, {}, {})
    for service in stacks.build(instance).services:
        *secrets, account = _said(instance, service).split(_BETWEEN)
        seen.accounts[service.name] = account.strip()
        for secret, value in zip(service.secrets, secrets, strict=True):
            seen.secrets[service.name, secret.name] = value.strip()
    return seen


def _said(instance: Instance, service: Service) -> str:
    """Its secrets' files and its accounts, by one command: the engine takes its time for each."""
    files = [each.target for each in service.secrets]
    secrets = f'for file; do cat "$file" || exit; printf "{_BETWEEN}"; done'
    script = f"{secrets}; {_ACCOUNTS[service.name]}"
    command = ("bash", "-c", script, "bash", *files)
    result = engine_for(instance.server).run(
        str(instance.pk), service.name, command, timeout=timedelta(seconds=20)
    )
    assert result.exit_code == 0, f"{service.name} of {instance}: {result.output.strip()}"
    return result.output
