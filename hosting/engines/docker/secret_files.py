"""Secrets as an archive that Docker unpacks into a container before its first start."""

from __future__ import annotations

import io
import tarfile

from hosting.engines.wanted import Secret


def archive(secrets: tuple[Secret, ...], directory: str) -> bytes:
    """A tar of the secrets below ``directory`` (relative, "" for the top), owned by root.

    It only ever exists in memory: the values reach no argument, environment or label.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folder = tarfile.TarInfo(directory or ".")
        folder.type = tarfile.DIRTYPE
        folder.mode = 0o755
        tar.addfile(folder)
        for secret in secrets:
            value = secret.value.encode()
            entry = tarfile.TarInfo(f"{directory}/{secret.name}" if directory else secret.name)
            entry.size = len(value)
            entry.mode = secret.mode
            tar.addfile(entry, io.BytesIO(value))
    return buffer.getvalue()


def redacted(text: str, secrets: tuple[Secret, ...]) -> str:
    """The text with every secret's value blotted out, for messages that a person reads."""
    for secret in secrets:
        if secret.value.strip():
            text = text.replace(secret.value.strip(), "[secret]")
    return text
