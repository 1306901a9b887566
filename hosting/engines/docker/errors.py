"""The one place where a Docker Engine's errors get their meaning for Berth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from docker.errors import APIError, DockerException
from urllib3.exceptions import HTTPError as TransportError
from urllib3.exceptions import ReadTimeoutError

from hosting.engines.errors import EngineError, EngineUnavailable, GiveUp, SubnetTaken, TryLater


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn whatever docker-py raises inside into Berth's words; ``what`` names the object.

    An ``EngineError`` passes through untouched.
    """
    try:
        yield
    except EngineError:
        raise
    except APIError as error:
        raise meaning(error, what) from error
    except (requests.exceptions.Timeout, ReadTimeoutError, TimeoutError) as error:
        raise TryLater(f"the server did not answer in time about {what}") from error
    except (requests.exceptions.RequestException, TransportError, OSError) as error:
        if "timed out" in str(error).lower():
            raise TryLater(f"the server did not answer in time about {what}") from error
        raise EngineUnavailable("the server does not answer") from error
    except json.JSONDecodeError as error:
        raise TryLater(f"the server's answer about {what} broke off") from error
    except DockerException as error:
        raise GiveUp(f"{what} is impossible: {error}") from error


def status_of(error: APIError) -> int:
    """The HTTP status the engine answered with, 0 where it said none."""
    return int(error.status_code or 0)


def meaning(error: APIError, what: str) -> EngineError:
    """What an error of the engine means for Berth: wait, or ask a person.

    The texts are those of Docker Engine 20.10 to 28; the statuses alone do not tell cases apart.
    """
    text = str(error.explanation or error).strip()
    for pattern, kind, sentence in _MEANINGS:
        found = re.search(pattern, text, re.IGNORECASE)
        if found:
            return kind(sentence.format(what=what, text=text, found=found))
    if status_of(error) in (409, 429) or status_of(error) >= 500:
        return TryLater(f"the server could not do {what}: {text}")
    return GiveUp(f"the server refused {what}: {text}")


def subnet_error(error: APIError, subnet: str) -> EngineError | None:
    """``SubnetTaken`` where the engine says that the address range is in use, else None."""
    text = str(error.explanation or error)
    if re.search("pool overlaps|overlapping ipv4|conflicts with network", text, re.IGNORECASE):
        return SubnetTaken(subnet)
    return None


_MEANINGS: tuple[tuple[str, type[EngineError], str], ...] = (
    (r"no such image: (?P<image>\S+)", GiveUp, "the image {found[image]} does not exist"),
    (
        r"no space left on device",
        TryLater,
        "the server's disk is full: {what} needs space under its Docker directory",
    ),
    (
        r"non-overlapping IPv4 address pool",
        GiveUp,
        "the server has no address range left for {what}",
    ),
    (
        r"container name \"/?(?P<name>[^\"]+)\" is already in use",
        TryLater,
        "a container named {found[name]} is already on the server",
    ),
    (
        r"network with name (?P<name>\S+) already exists",
        TryLater,
        "a network named {found[name]} is already on the server",
    ),
    (
        r"OCI runtime create failed.*(executable file not found|no such file|permission denied)",
        GiveUp,
        "{what} cannot start: {text}",
    ),
    (r"address already in use", TryLater, "the address of {what} is still in use"),
    (r"removal .* already in progress", TryLater, "{what} is just being removed"),
    (r"volume is in use", TryLater, "{what} is still used by a container"),
    (r"has active endpoints", TryLater, "{what} still has containers attached"),
    (r"is restarting, wait", TryLater, "{what} is just restarting"),
    (r"is paused", TryLater, "{what} is paused"),
    (r"is not running", TryLater, "{what} is not running"),
    (r"no such exec", TryLater, "{what}: the server no longer knows the command"),
    (r"no such container", TryLater, "{what} is gone from the server"),
    (r"network \S+ not found", TryLater, "a network of {what} is gone from the server"),
)
