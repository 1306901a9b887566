"""What is written for the person who unpacks an archive, and the script that does the work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hosting.catalog.portable import Origin, local_port
from hosting.catalog.schema import App
from hosting.engines.errors import GiveUp
from hosting.flows.saving.parts import Kind, Part

_SCRIPT = Path(__file__).with_name("restore.sh")
_STEPS = "#STEPS#\n"


def restore_script(app: App, parts: Sequence[Part], *, at_rest: bool) -> str:
    """The script that loads these parts. Raises ``GiveUp`` for what it has no place for."""
    return _SCRIPT.read_text().replace(
        _STEPS, "".join(f"{each}\n" for each in steps(app, parts, at_rest=at_rest))
    )


def steps(app: App, parts: Sequence[Part], *, at_rest: bool) -> Iterator[str]:
    """The calls of the script's functions, in order: files first, then what needs a database.

    At rest the databases are among the files; what they need is the password of their role.
    """
    databases = app.berth.backup.postgres if at_rest else ()
    dumps = [each for each in parts if each.kind is Kind.POSTGRES]
    yield f"tools=$(docker inspect --format '{{{{.Image}}}}' \"$(container {_tools(app)})\")"
    for part in parts:
        if part.kind is Kind.VOLUME:
            yield f"fill_volume {part.name}"
    for part in parts:
        if part.kind is Kind.REDIS:
            yield f"fill_redis {part.name} {_volume_of(app, part.name)}"
    for dump in dumps:
        yield from _load(app, dump, is_first=dump is _first_of(dumps, dump.service))
    for each in databases:
        if "POSTGRES_PASSWORD_FILE" in app.services[each.service].environment:
            named = f"{each.service} {each.user} {each.database}"
            yield f"start_database {named}"
            yield f"set_password {named}"
    yield f"start_everything {app.berth.web.service}"


def _load(app: App, dump: Part, *, is_first: bool) -> Iterator[str]:
    made = app.services[dump.service].environment.get("POSTGRES_DB", dump.user)
    named = f"{dump.service} {dump.user} {dump.name}"
    if is_first:
        yield f"start_database {dump.service} {dump.user} {made}"
    if dump.name != made:
        yield f"create_database {named}"
    yield f"load_database {named}"


def _first_of(dumps: Sequence[Part], service: str) -> Part:
    return next(each for each in dumps if each.service == service)


def _tools(app: App) -> str:
    """The service whose image has sh and tar for certain, if one has: a database's."""
    backup = app.berth.backup
    known = [each.service for each in backup.postgres] + list(backup.redis)
    return next(iter(known), app.berth.web.service)


def _volume_of(app: App, service: str) -> str:
    for each in app.services[service].volumes:
        if not each.read_only:
            return each.source
    raise GiveUp(f"{app.title} has no volume for the keys of {service}")


def readme(origin: Origin, *, taken_at: str, folder: str, parts: Sequence[Part]) -> str:
    """The steps, in plain words."""
    port = local_port(origin.app)
    held = "\n".join(f"- `{part.path}`: {part.title}" for part in parts)
    return f"""\
# {origin.app.title} {origin.version}: {origin.name}

A backup of {taken_at}, with all that is needed to run it again on any machine that has Docker, and
Docker Compose from version 1.29 on. Nothing else is needed.

**Keep it like a password.** `secrets/` holds every password and key of the app, and the data lies
open in the other directories. Whoever has this archive has all of it.

## Bring it up

1. Unpack the archive, if you have not yet: `tar -xf {folder}.tar`, then `cd {folder}`
2. Look whether it is whole: `sha256sum -c SHA256SUMS` (on macOS `shasum -a 256 -c SHA256SUMS`)
3. Look into `.env`: the port, the address that people open, and where images come from.
4. Load the data and start: `sh restore.sh`
5. Open <http://localhost:{port}>.

`restore.sh` makes new containers and volumes, fills them, and starts the app. It takes no volume
that is there already. If it fails, it says how to clean up; then it can be run again.

Later, in this directory: `docker compose stop`, `docker compose up --detach` and
`docker compose logs`. `docker compose down --volumes` removes the app **and its data**. With an
older Compose write `docker-compose` instead. Keep the directory: the containers read `secrets/`
from it.

## What is in it

- `compose.yaml`: the services of {origin.app.title}; its head names the exact images that ran
- `.env`: the settings of the place where it runs
- `secrets/`: what the services read as files
{held}
- `manifest.json`: what was saved, with the checks that were made
- `SHA256SUMS`: a checksum of each file
- `restore.sh`: reads like a list of steps, if you want to do them by hand

A database is dumped in PostgreSQL's custom format: `pg_restore` loads it into any server of the
same version or a newer one.
"""
