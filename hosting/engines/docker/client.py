"""The connection to one Docker Engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from docker import APIClient
from docker.errors import APIError
from docker.tls import TLSConfig

from hosting.engines.docker.errors import translated
from hosting.engines.docker.limits import unenforced
from hosting.engines.errors import GiveUp

CALL_TIMEOUT_SECONDS = 60
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of the PEM files with which a remote engine and Berth know each other."""

    ca: str
    certificate: str
    key: str


class Response(Protocol):
    """What Berth reads of a streamed answer."""

    raw: Any

    def iter_lines(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class PermittedClient(APIClient):
    """docker-py's client that asks for leave before each call that may change something.

    A worker that was frozen between two calls must not do the second one when it comes back.
    """

    def __init__(self, permit: Callable[[], None], **options: Any) -> None:
        super().__init__(**options)
        self.trust_env = False
        self._permit = permit

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Every request of the session passes here."""
        if request.method not in ("GET", "HEAD"):
            self._permit()
        return super().send(request, **options)


class Client:
    """One engine's low-level API, connected at the first call and safe to share by threads."""

    def __init__(self, endpoint: str, *, tls: TlsFiles | None, timeout_seconds: int) -> None:
        _refuse_endpoint(endpoint, tls)
        self.endpoint = endpoint
        self.timeout_seconds = timeout_seconds
        self.tls = tls
        self._api: APIClient | None = None
        self._unenforced: frozenset[str] | None = None
        self._connecting = Lock()
        self._permit: Callable[[], None] | None = None
        self._version: str | None = None
        self._origin: Client | None = None

    def permitted(self, permit: Callable[[], None]) -> Client:
        """The same engine over a connection of its own that asks before each call that changes."""
        twin = Client(self.endpoint, tls=self.tls, timeout_seconds=self.timeout_seconds)
        twin._permit, twin._version = permit, self.api.api_version
        twin._unenforced = self._unenforced
        twin._origin = self.unfenced
        return twin

    @property
    def unfenced(self) -> Client:
        """The same engine for what takes back one's own doings, which needs no leave."""
        return self._origin or self

    def ask_leave(self) -> None:
        """Before a change that is not one of ``api``'s own calls."""
        if self._permit is not None:
            self._permit()

    @property
    def is_local(self) -> bool:
        """True where the engine's host is this machine, so that its files can be read."""
        return self.endpoint.startswith("unix://")

    @property
    def api(self) -> APIClient:
        """docker-py's low-level client. Raises ``EngineUnavailable`` where nothing answers."""
        with self._connecting:
            if self._api is None:
                with translated("the server"):
                    self._api = self._connect()
            return self._api

    @property
    def unenforced(self) -> frozenset[str]:
        """The limits that the engine's kernel cannot enforce; asked for once a connection."""
        if self._unenforced is None:
            with translated("the server"):
                self._unenforced = unenforced(self.api.info())
        return self._unenforced

    def _connect(self) -> APIClient:
        tls: bool | TLSConfig = False
        if self.tls is not None:
            pair = (self.tls.certificate, self.tls.key)
            tls = TLSConfig(client_cert=pair, ca_cert=self.tls.ca, verify=True)
        if self._permit is not None and self._version is not None:
            return PermittedClient(
                self._permit,
                base_url=self.endpoint,
                version=self._version,
                timeout=self.timeout_seconds,
                tls=tls,
            )
        # The version is asked for separately, so that a refused connection keeps its own type.
        api = APIClient(
            base_url=self.endpoint, version="1.41", timeout=self.timeout_seconds, tls=tls
        )
        api.trust_env = False  # a proxy meant for the web must not see the engine's traffic
        offered = str(api.version(api_version=False)["ApiVersion"])
        api.close()
        negotiated = APIClient(
            base_url=self.endpoint, version=offered, timeout=self.timeout_seconds, tls=tls
        )
        negotiated.trust_env = False
        return negotiated

    def close(self) -> None:
        """Give the connections back; the next call makes new ones."""
        with self._connecting:
            if self._api is not None:
                self._api.close()
                self._api = self._unenforced = None

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, object],
        params: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request with a JSON body; return the decoded answer, None where it is empty."""
        response = self._request(
            method, path, params=params, json=body, timeout=self.timeout_seconds
        )
        return response.json() if response.content else None

    def get(self, path: str, *, params: Mapping[str, str], timeout_seconds: float) -> Any:
        """Ask for something with a patience of its own; return the decoded answer."""
        return self._request("GET", path, params=params, timeout=timeout_seconds).json()

    def stream(
        self,
        method: str,
        path: str,
        *,
        silence_seconds: float,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Open a streamed answer that breaks after ``silence_seconds`` without a byte.

        docker-py's own streams (pull, events, exec) wait for ever on an engine that died quietly.
        """
        answer: Response = self._request(
            method,
            path,
            params=params,
            json=body,
            headers=headers,
            stream=True,
            timeout=silence_seconds,
        )
        return answer

    def send(
        self,
        path: str,
        *,
        chunks: Iterable[bytes],
        silence_seconds: float,
        params: Mapping[str, str] | None = None,
    ) -> None:
        """``PUT`` a body that is sent as it comes, and never held whole."""
        self._request(
            "PUT",
            path,
            params=params,
            data=chunks,
            headers={"Content-Type": "application/x-tar"},
            timeout=silence_seconds,
        )

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Ask under the version that was agreed on. Raises ``APIError`` where it is refused."""
        api = self.api
        response = api.request(method, f"{api.base_url}/v{api.api_version}{path}", **options)
        if response.status_code >= 400:
            raise _refused(response)
        return response


def _refused(response: requests.Response) -> APIError:
    """The error with the engine's own explanation, as docker-py words it."""
    try:
        explanation = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        explanation = response.text
    return APIError(explanation, response=response, explanation=explanation)


def _refuse_endpoint(endpoint: str, tls: TlsFiles | None) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme == "unix":
        return
    if parts.scheme not in ("tcp", "https"):
        raise GiveUp(f"the endpoint {endpoint} is neither unix:///path nor tcp://host:port")
    if tls is None and parts.hostname not in LOOPBACK:
        raise GiveUp(f"the endpoint {endpoint} needs TLS: whoever reaches it without is root there")
    for path in (tls.ca, tls.certificate, tls.key) if tls else ():
        if not Path(path).is_file():
            raise GiveUp(f"the TLS file {path} of the endpoint {endpoint} does not exist")
