"""The npm lock files: exact versions and checksums, without addresses and for one platform."""

import json
from typing import Any

# The platform of the node image; what is only for others is never installed.
PLATFORM = {"os": "linux", "cpu": "x64", "libc": "glibc"}
# For people who read a lock file; npm does without. `resolved` would name one network's registry.
LEFT_OUT = ("resolved", "license", "funding", "engines", "deprecated")

Packages = dict[str, dict[str, Any]]


def slim(lock: dict[str, Any]) -> dict[str, Any]:
    """Return the lock with what `npm ci` needs on PLATFORM, and no address."""
    packages: Packages = {
        path: {name: value for name, value in entry.items() if name not in LEFT_OUT}
        for path, entry in lock["packages"].items()
        if _fits(entry)
    }
    for path, entry in packages.items():
        # npm refuses a lock that lacks what is asked for, and be it for another platform only.
        optional = entry.pop("optionalDependencies", {})
        kept = {name: want for name, want in optional.items() if _found(name, path, packages)}
        if kept:
            entry["optionalDependencies"] = kept
        # A download that our package.json overrides: npm looks at the override alone.
        wanted = entry.get("dependencies", {})
        wanted |= {name: "*" for name, want in wanted.items() if "://" in want}
    return {**lock, "packages": packages}


def dumps(lock: dict[str, Any]) -> str:
    """Return the lock as JSON with one package a line, which makes changes easy to read."""
    lines = ",\n".join(
        f"{json.dumps(path)}: {json.dumps(e)}" for path, e in lock["packages"].items()
    )
    head = json.dumps({name: value for name, value in lock.items() if name != "packages"})
    return f'{head[:-1]}, "packages": {{\n{lines}\n}}}}\n'


def _fits(entry: dict[str, Any]) -> bool:
    return all(_allows(entry.get(kind, []), name) for kind, name in PLATFORM.items())


def _allows(names: list[str], name: str) -> bool:
    """Whether npm's list of platforms (`linux`, or `!win32` for all but that) allows this one."""
    wanted = [one for one in names if not one.startswith("!")]
    return f"!{name}" not in names and (not wanted or name in wanted)


def _found(name: str, path: str, packages: Packages) -> bool:
    """Whether Node.js finds the package `name` from the directory `path`, its own or one above."""
    while path:
        if f"{path}/node_modules/{name}" in packages:
            return True
        path = path.rpartition("node_modules/")[0].rstrip("/")
    return f"node_modules/{name}" in packages
