"""What the guestbook keeps: rows in PostgreSQL, a counter in Redis, a journal on its volume."""

import hashlib
import hmac
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import redis

COUNTER = "guestbook:entries"
JOURNAL = Path("/data/journal.txt")
# One change of the table per version of the app, so that an upgrade has something to do.
MIGRATIONS = {
    1: """CREATE TABLE IF NOT EXISTS entries (
        id bigserial PRIMARY KEY,
        text text NOT NULL,
        signature text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )""",
    2: "ALTER TABLE entries ADD COLUMN IF NOT EXISTS author text NOT NULL DEFAULT 'anonymous'",
}
VERSION = int(os.environ.get("GUESTBOOK_VERSION", "1"))


def from_file(name: str) -> str | None:
    """Return the value of the file that NAME_FILE names, else of NAME, else None."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else os.environ.get(name)


class Storage:
    """The three places; one connection each, reopened when it was lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None
        self._key = (from_file("SECRET_KEY") or "").encode()
        self._redis = redis.Redis(
            host=os.environ.get("REDIS_HOST", "redis"),
            port=int(os.environ.get("REDIS_PORT", "6379")),
            password=from_file("REDIS_PASSWORD"),
            socket_timeout=3,
            socket_connect_timeout=3,
        )

    def _query(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._run(statement, values)
            except psycopg2.Error:
                self._connection = None
                raise

    def _run(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = psycopg2.connect(
                host=os.environ.get("DATABASE_HOST", "postgres"),
                port=os.environ.get("DATABASE_PORT", "5432"),
                dbname=os.environ.get("DATABASE_NAME", "guestbook"),
                user=os.environ.get("DATABASE_USER", "guestbook"),
                password=from_file("DATABASE_PASSWORD"),
                connect_timeout=3,
            )
            self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def migrate(self) -> None:
        """Bring the table to this version; raises what PostgreSQL raises while it isn't there."""
        for number, statement in sorted(MIGRATIONS.items()):
            if number <= VERSION:
                self._query(statement)

    def check(self) -> None:
        """Raise what is wrong unless the table can be read and Redis answers."""
        self._query("SELECT 1 FROM entries LIMIT 1")
        self._redis.ping()

    def sign(self, text: str) -> str:
        """Return the text's signature under the secret key: shows whether a key came back."""
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def add(self, text: str, author: str) -> dict[str, Any]:
        """Write an entry to all three places and return it."""
        columns, values = ["text", "signature"], [text, self.sign(text)]
        if VERSION >= 2:
            columns, values = [*columns, "author"], [*values, author]
        marks = ", ".join(["%s"] * len(values))
        statement = f"INSERT INTO entries ({', '.join(columns)}) VALUES ({marks}) RETURNING id"
        number = self._query(statement, tuple(values))[0][0]
        self._redis.incr(COUNTER)
        with JOURNAL.open("a") as journal:
            journal.write(f"{datetime.now(UTC).isoformat()} {number} {text!r}\n")
        return {"id": number, "text": text}

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries, oldest first."""
        extra = ", author" if VERSION >= 2 else ""
        names = ("id", "text", "signature", "created_at", "author")
        rows = self._query(
            f"SELECT id, text, signature, created_at{extra} FROM entries ORDER BY id"
        )
        found = [dict(zip(names, row, strict=False)) for row in rows]
        for entry in found:
            entry["created_at"] = entry["created_at"].isoformat()
            entry["verified"] = hmac.compare_digest(
                entry.pop("signature"), self.sign(entry["text"])
            )
        return found

    def count(self) -> int:
        """Return Redis's count of the entries ever written."""
        return int(self._redis.get(COUNTER) or 0)
