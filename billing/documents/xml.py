"""Writing XML by prefixed names, nested as it will look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

Node = etree._Element
Child = Node | str | None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Namespaces by prefix, the one without a prefix by ``""``; calling it makes an element."""

    namespaces: Mapping[str, str]

    def __call__(self, name: str, *children: Child, **attributes: str) -> Node:
        """An element with those children, None left out; a text is its content."""
        node = etree.Element(self._qualified(name), attributes)
        for child in children:
            if isinstance(child, str):
                node.text = clean(child)
            elif child is not None:
                node.append(child)
        return node

    def optional(self, name: str, text: str, **attributes: str) -> Node | None:
        """An element with that text, or none where there is none."""
        return self(name, text, **attributes) if text else None

    def write(self, root: Node) -> bytes:
        """The file, with all namespaces named at its root."""
        # lxml calls the namespace without a prefix None, which its types don't know.
        by_prefix: Any = {prefix or None: name for prefix, name in self.namespaces.items()}
        etree.cleanup_namespaces(root, top_nsmap=by_prefix)
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)

    def _qualified(self, name: str) -> str:
        prefix, local = name.split(":")
        return f"{{{self.namespaces[prefix]}}}{local}"


# https://www.w3.org/TR/xml/#charsets
_ALLOWED = ((0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))


def clean(text: str) -> str:
    """Without the characters that XML 1.0 can't hold."""
    return "".join(sign for sign in text if _is_allowed(ord(sign)))


def _is_allowed(code: int) -> bool:
    return code in (0x9, 0xA, 0xD) or any(first <= code <= last for first, last in _ALLOWED)
