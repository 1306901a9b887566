"""What S3 is asked for beside restic: listing a prefix, putting and deleting an object."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from urllib.parse import quote, urlsplit

import httpx

from hosting.engines.errors import GiveUp
from hosting.engines.restic.errors import TargetRefused, TargetUnavailable

_ALGORITHM = "AWS4-HMAC-SHA256"
_REFUSED = (401, 403)


def listing(address: str, name: str, environment: Mapping[str, str]) -> set[str]:
    """The keys of the repository at that address, without its prefix and two levels deep.

    An address is ``s3:https://host/bucket/prefix`` or, with https, ``s3:host/bucket/prefix``.
    """
    bucket, prefix = _bucket(address, name, environment)
    with httpx.Client(timeout=60) as client:
        keys = [key.removeprefix(prefix).split("/") for key in bucket.keys(client, prefix)]
    return {"/".join(key[:2]) for key in keys}


def remove(address: str, name: str, parts: Sequence[str], environment: Mapping[str, str]) -> None:
    """Delete the objects of the repository at that address, in the order of its parts."""
    bucket, prefix = _bucket(address, name, environment)
    with httpx.Client(timeout=60) as client:
        keys = list(bucket.keys(client, prefix))
        for part in parts:
            for key in keys:
                if f"{key}/".startswith(f"{prefix}{part}/"):
                    bucket.request(client, "DELETE", key)


def put(address: str, name: str, path: str, content: bytes, environment: Mapping[str, str]) -> None:
    """Write an object into the repository at that address."""
    bucket, prefix = _bucket(address, name, environment)
    with httpx.Client(timeout=60) as client:
        bucket.request(client, "PUT", f"{prefix}{path}", body=content)


def drop(address: str, name: str, path: str, environment: Mapping[str, str]) -> None:
    """Delete an object of the repository at that address."""
    bucket, prefix = _bucket(address, name, environment)
    with httpx.Client(timeout=60) as client:
        bucket.request(client, "DELETE", f"{prefix}{path}")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, spoken to in path style as restic does."""

    origin: str
    name: str
    repository: str  # whose objects these are, for the errors
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)

    def keys(self, client: httpx.Client, prefix: str) -> Iterator[str]:
        """All keys that begin so."""
        query = {"list-type": "2", "prefix": prefix}
        while True:
            page = self.request(client, "GET", "", query)
            for key in re.findall(r"<Key>(.*?)</Key>", page, re.S):
                yield unescape(key)
            following = re.search(r"<NextContinuationToken>(.*?)</", page)
            if following is None:
                return
            query["continuation-token"] = unescape(following[1])

    def request(
        self,
        client: httpx.Client,
        method: str,
        key: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> str:
        """The answer's body. Raises ``TargetRefused`` and ``TargetUnavailable``."""
        path = quote(f"/{self.name}/{key}" if key else f"/{self.name}", safe="/-_.~")
        text = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in _sorted(query or {}))
        url = httpx.URL(f"{self.origin}{path}", query=text.encode())
        try:
            headers = self._headers(method, path, text, body)
            answer = client.request(method, url, headers=headers, content=body)
        except httpx.TransportError:
            raise TargetUnavailable(
                f"the target of the backup repository {self.repository} does not answer"
            ) from None
        if answer.status_code in _REFUSED:
            raise TargetRefused(
                f"the target of the backup repository {self.repository} refused the access"
            )
        if not answer.is_success:
            raise TargetUnavailable(
                f"the target of the backup repository {self.repository} answered with"
                f" {answer.status_code}"
            )
        return answer.text

    def _headers(self, method: str, path: str, query: str, body: bytes) -> dict[str, str]:
        """Signature version 4 over the host, the body and all headers that are given here."""
        digest = hashlib.sha256(body).hexdigest()
        now = datetime.now(UTC)
        moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        signed = {
            "host": urlsplit(self.origin).netloc,
            "x-amz-content-sha256": digest,
            "x-amz-date": moment,
            **({"x-amz-security-token": self.token} if self.token else {}),
        }
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{value}\n" for name, value in _sorted(signed))
        request = "\n".join((method, path, query, lines, names, digest))
        scope = f"{day}/{self.region}/s3/aws4_request"
        text = "\n".join((_ALGORITHM, moment, scope, hashlib.sha256(request.encode()).hexdigest()))
        key = f"AWS4{self.secret_key}".encode()
        for word in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, word.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"Credential={self.access_key}/{scope}"
        return {
            **signed,
            "authorization": f"{_ALGORITHM} {credential}, SignedHeaders={names},"
            f" Signature={signature}",
        }


def _bucket(address: str, name: str, environment: Mapping[str, str]) -> tuple[Bucket, str]:
    """The bucket, and the prefix of the repository's keys with its slash."""
    place = address.removeprefix("s3:").removeprefix("//")
    url = urlsplit(place if re.match(r"https?://", place) else f"https://{place}")
    bucket, _, prefix = url.path.strip("/").partition("/")
    if not (url.netloc and bucket and prefix):
        raise GiveUp("an S3 target is s3:https://host/bucket or s3:https://host/bucket/prefix")
    region = environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION") or "us-east-1"
    made = Bucket(
        origin=f"{url.scheme}://{url.netloc}",
        name=bucket,
        repository=name,
        region=region,
        access_key=environment.get("AWS_ACCESS_KEY_ID", ""),
        secret_key=environment.get("AWS_SECRET_ACCESS_KEY", ""),
        token=environment.get("AWS_SESSION_TOKEN", ""),
    )
    return made, f"{prefix}/"


def _sorted(values: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(values.items())
