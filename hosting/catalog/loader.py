"""Catalog files as apps, or one sentence with the file and the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from hosting.catalog.errors import CatalogError
from hosting.catalog.schema import FROM_A_FILE, App
from hosting.catalog.source import Place, Source, read_source

BUILT_IN = Path(__file__).parent
"""The directory of the apps that come with Berth."""

_SUFFIXES = (".yaml", ".yml")
_SENTENCES = {
    "missing": "is missing",
    "string_type": "must be text; write it in quotes",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


def load_app(path: Path) -> App:
    """The app of one catalog file, or ``CatalogError``. Read again only when the file changed."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise CatalogError(path, None, f"cannot be read: {error.strerror}") from error
    return _load(path, changed)


def load_catalog(directories: Sequence[Path]) -> Mapping[str, App]:
    """The apps of those directories by slug, in order of their names.

    Raises ``CatalogError`` for the first file that is wrong, for a directory that is none, and
    where a second file takes a slug that is taken.
    """
    files: dict[str, Path] = {}
    for directory in directories:
        for path in _catalog_files(directory):
            if path.stem in files:
                taken = files[path.stem]
                raise CatalogError(path, None, f"the app {path.stem} is there already, in {taken}")
            files[path.stem] = path
    return MappingProxyType({slug: load_app(files[slug]) for slug in sorted(files)})


def _catalog_files(directory: Path) -> list[Path]:
    if not directory.is_dir():
        raise CatalogError(directory, None, "the catalog directory does not exist")
    return sorted(path for path in directory.iterdir() if path.suffix in _SUFFIXES)


@lru_cache(maxsize=256)
def _load(path: Path, changed: int) -> App:
    return app_from_source(read_source(path))


def app_from_source(source: Source) -> App:
    """The app that a file's content describes; its slug is the file's name."""
    try:
        content = {**source.content, "slug": source.path.stem}
        return App.model_validate(content, context=FROM_A_FILE)
    except ValidationError as error:
        raise _first_error(source, error) from error


def _first_error(source: Source, error: ValidationError) -> CatalogError:
    """The fault that stands first in the file."""
    refusals = [_refusal(source, each) for each in error.errors(include_url=False)]
    return min(refusals, key=lambda refusal: refusal.line or 0)


def _refusal(source: Source, error: Any) -> CatalogError:
    context = error.get("ctx") or {}
    place: Place = (*error["loc"], *context.get("place", ()))
    if place == ("slug",):
        return CatalogError(source.path, None, f"the file's name {_message(error)}")
    return source.error(tuple(part for part in place if part != "[key]"), _message(error))


def _message(error: Any) -> str:
    if error["type"] in _SENTENCES:
        return _SENTENCES[error["type"]]
    message = str(error["msg"]).removeprefix("Value error, ")
    return message.replace("Input should be", "must be")
