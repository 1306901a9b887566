"""What there is to build (images.toml) and the contexts it is built from."""

import hashlib
import io
import tarfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

IMAGES = Path(__file__).resolve().parent.parent
BASE = "debian:bookworm-slim"


@dataclass(frozen=True)
class Recipe:
    """One image: its public name, its directory here, and what it stands on."""

    name: str
    directory: str
    base: str
    args: dict[str, str] = field(default_factory=dict)
    on_request: bool = False  # built only where its name and tag are given


def load() -> list[Recipe]:
    """Return the recipes in the order of images.toml; a base comes before what stands on it."""
    entries = tomllib.loads((IMAGES / "images.toml").read_text())["image"]
    return [
        Recipe(
            name=entry["name"],
            directory=entry["directory"],
            base=entry["from"],
            args=entry.get("args", {}),
            on_request=entry.get("on_request", False),
        )
        for entry in entries
    ]


def with_bases(wanted: list[str], recipes: list[Recipe]) -> list[Recipe]:
    """Return the recipes called for by name, or by name without tag, and all they stand on.

    Raises ValueError in one sentence where a name is unknown.
    """
    chosen: set[str] = set()
    for name in wanted:
        matching = {one.name for one in recipes if _is_meant(one, name)}
        if not matching and name != BASE:
            known = ", ".join([BASE, *(one.name for one in recipes)])
            raise ValueError(f"There is no image {name!r} to build; there are {known}.")
        chosen |= matching
    for one in reversed(recipes):
        if one.name in chosen:
            chosen.add(one.base)
    return [one for one in recipes if one.name in chosen]


def _is_meant(recipe: Recipe, name: str) -> bool:
    return name == recipe.name or (name == recipe.name.split(":")[0] and not recipe.on_request)


def context(recipe: Recipe) -> bytes:
    """Return the build context: the image's directory and what all images share, as a tar.

    The same files give the same bytes, whatever their owner and time, so it can be hashed.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for root in (IMAGES / recipe.directory, IMAGES / "shared"):
            for path in sorted(path for path in root.rglob("*") if path.is_file()):
                if "__pycache__" in path.parts:
                    continue
                entry = tarfile.TarInfo(str(path.relative_to(root)))
                content = path.read_bytes()
                entry.size, entry.mode = len(content), path.stat().st_mode & 0o755
                archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def fingerprint(recipe: Recipe, content: bytes, base_id: str) -> str:
    """Return what changes exactly when the image must be built anew."""
    parts = (base_id, repr(sorted(recipe.args.items())), hashlib.sha256(content).hexdigest())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
