"""YAML as plain values, with the line of every one of them.

PyYAML's own loader forgets lines, takes the last of two equal keys and reads ``on`` as true; this
one keeps lines, refuses the second key and knows only what the Compose specification's YAML knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hosting.catalog.errors import CatalogError

Place = tuple[str | int, ...]
"""The way to a value: ("services", "web", "ports", 0)."""

_LARGEST = 20_000  # values; aliases of aliases would otherwise grow a small file without end
_DEEPEST = 40
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_OCTAL = re.compile(r"0[0-7]+")
_DECIMAL = re.compile(r"[-+]?[0-9]+\.[0-9]+")
_YAML = "tag:yaml.org,2002:"
_KNOWN_TAGS = {f"{_YAML}{name}" for name in ("str", "int", "float", "bool", "null", "timestamp")}


@dataclass(slots=True)
class Source:
    """A file's content and the line (from 1) of everything in it."""

    path: Path
    content: dict[str, Any] = field(default_factory=dict)
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """The line of that value, or of the nearest thing around it that has one."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def error(self, place: Place, reason: str) -> CatalogError:
        """The refusal of what stands at that place."""
        where = ".".join(str(part) for part in place)
        return CatalogError(self.path, self.line(place), f"{where}: {reason}" if where else reason)


def read_source(path: Path) -> Source:
    """Read a YAML file of one mapping; ``CatalogError`` where that fails."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CatalogError(path, None, "the file is not UTF-8 text") from error
    except OSError as error:
        raise CatalogError(path, None, f"cannot be read: {error.strerror}") from error
    return parse_source(text, path)


def parse_source(text: str, path: Path) -> Source:
    """Read YAML text as if it stood in the file at ``path``."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise CatalogError(path, line, f"not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise CatalogError(path, None, f"not valid YAML: {error}") from error
    if not isinstance(node, MappingNode):
        raise CatalogError(path, 1, "the file must be a mapping with services and x-berth")
    source = Source(path)
    source.content = _Reader(source).mapping(node, ())
    return source


class _Reader:
    """Turns nodes into values and writes down where they stood."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._count = 0

    def value(self, node: Node, place: Place) -> Any:
        self._grow(node, place)
        if isinstance(node, MappingNode):
            return self.mapping(node, place)
        if isinstance(node, SequenceNode):
            return self._sequence(node, place)
        return self._scalar(node)

    def _grow(self, node: Node, place: Place) -> None:
        self._count += 1
        if self._count > _LARGEST or len(place) > _DEEPEST:
            raise self._error(node, "the file is too large or its aliases go in circles")

    def mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        """Own keys win over merged ones (``<<``), whatever their order."""
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_YAML}merge":
                for key, value in self._merged(value_node, place).items():
                    merged.setdefault(key, value)
                continue
            key = self._key(key_node)
            if key in own:
                first = self._source.lines[(*place, key)]
                raise self._error(key_node, f"{key} is given twice, first in line {first}")
            self._source.lines[(*place, key)] = _line(key_node)
            own[key] = self.value(value_node, (*place, key))
        return merged | own

    def _merged(self, node: Node, place: Place) -> dict[str, Any]:
        if isinstance(node, MappingNode):
            self._grow(node, place)
            return self.mapping(node, place)
        if isinstance(node, SequenceNode) and node.value:
            result: dict[str, Any] = {}
            for each in node.value:
                result = self._merged(each, place) | result
            return result
        raise self._error(node, "<< takes a mapping, or a list of mappings")

    def _sequence(self, node: SequenceNode, place: Place) -> list[Any]:
        found = []
        for index, each in enumerate(node.value):
            self._source.lines[(*place, index)] = _line(each)
            found.append(self.value(each, (*place, index)))
        return found

    def _key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise self._error(node, "a key must be plain text")
        return str(node.value)

    def _scalar(self, node: Node) -> Any:
        """What is quoted is text; the rest is read by our own rules, not by PyYAML's."""
        if node.tag not in _KNOWN_TAGS:
            raise self._error(node, f"the YAML tag {node.tag} is not supported")
        quoted = getattr(node, "style", None) is not None
        return str(node.value) if quoted else _resolve(str(node.value))

    def _error(self, node: Node, reason: str) -> CatalogError:
        return CatalogError(self._source.path, _line(node), reason)


def _resolve(text: str) -> Any:
    """An unquoted scalar by YAML 1.2's rules, and octal numbers as Compose files write them."""
    simple: Mapping[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
    if text.lower() in simple:
        return simple[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    return text


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
