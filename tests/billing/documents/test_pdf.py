"""The PDF, read by other programs than the one that made it."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from facturx import get_level, get_xml_from_pdf
from lxml import etree
from pypdf import PdfReader

from billing.documents import einvoices, page, pdf
from billing.documents.errors import Faulty
from tests.billing.documents import samples

MONTH = samples.document()


@pytest.fixture(scope="module")
def printed() -> bytes:
    return pdf.write(MONTH)


@pytest.fixture(scope="module")
def reader(printed: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(printed))


def test_factur_x_s_own_reader_finds_the_e_invoice_in_it(printed: bytes) -> None:
    name, xml = get_xml_from_pdf(printed, check_xsd=True, check_schematron=False)

    assert name == "factur-x.xml"
    assert xml == einvoices.factur_x(MONTH)
    assert get_level(etree.fromstring(xml)) == "en16931"


def test_it_says_that_it_is_pdf_a_3_and_factur_x(reader: PdfReader) -> None:
    root: Any = reader.trailer["/Root"]
    about = root["/Metadata"].get_object().get_data()

    assert about.count(b"<rdf:RDF") == 1
    for part in (
        b'pdfaid:part="3"',
        b'pdfaid:conformance="B"',
        b"<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>",
        b"<fx:DocumentFileName>factur-x.xml</fx:DocumentFileName>",
        b"urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#</pdfaSchema:namespaceURI>",
    ):
        assert part in about


def test_the_e_invoice_belongs_to_the_whole_pdf_once(reader: PdfReader) -> None:
    root: Any = reader.trailer["/Root"]
    (file,) = [each.get_object() for each in root["/AF"]]

    assert file["/AFRelationship"] == "/Alternative"
    assert file["/UF"] == "factur-x.xml"
    assert root["/OutputIntents"][0]["/S"] == "/GTS_PDFA1"


def test_each_font_is_embedded(reader: PdfReader) -> None:
    used: Any = [each["/Resources"] for each in reader.pages]
    fonts = [
        font.get_object()["/DescendantFonts"][0].get_object()
        for each in used
        for font in each["/Font"].values()
    ]

    assert {font["/BaseFont"].split("+")[1] for font in fonts} >= {"Inter", "Inter-Medium"}
    for font in fonts:
        assert {"/FontFile2", "/FontFile3"} & set(font["/FontDescriptor"])


def test_it_can_be_read(reader: PdfReader) -> None:
    text = reader.pages[0].extract_text()

    assert "R-2026-0042" in text
    assert "€141.26 EUR due on 15 April 2026" in text
    assert reader.metadata is not None
    assert reader.metadata.title == "Invoice R-2026-0042"


def test_the_same_document_makes_the_same_bytes(printed: bytes) -> None:
    assert pdf.write(MONTH) == printed


def test_what_en_16931_can_t_hold_is_a_pdf_without_an_e_invoice() -> None:
    made = PdfReader(io.BytesIO(pdf.write(samples.in_dinars())))

    assert made.attachments == {}
    assert "KWD 37.035 due" in made.pages[0].extract_text()


def test_a_sign_that_no_font_has_is_a_square_and_stays_itself_in_the_e_invoice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """PDF/A knows no missing glyph (6.2.11.4); WeasyPrint's log tells which signs have none."""
    name = "Acme \N{ROCKET}\N{THAI CHARACTER KO KAI}"
    odd = samples.document(buyer=replace(samples.ACME, name=name))
    made = pdf.write(odd)
    told = [each for each in caplog.messages if each.startswith(".notdef")]

    text = PdfReader(io.BytesIO(made)).pages[0].extract_text()
    assert "Acme \N{WHITE SQUARE}\N{WHITE SQUARE}" in text
    _, xml = get_xml_from_pdf(made, check_xsd=False, check_schematron=False)
    assert name in xml.decode()
    assert len(told) == 2  # of the first printing, and none of the second
    assert pdf.write(odd) == made


def test_names_in_any_direction_are_printed() -> None:
    name = "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} Acme \N{ARABIC LETTER ALEF} " + "x" * 200
    made = PdfReader(
        io.BytesIO(pdf.write(samples.document(buyer=replace(samples.ACME, name=name))))
    )

    text = made.pages[0].extract_text()
    assert "\N{HEBREW LETTER ALEF}" in text
    assert "\N{ARABIC LETTER ALEF}" in text


def test_a_document_that_is_off_by_a_cent_is_not_printed() -> None:
    off = replace(MONTH, totals=replace(MONTH.totals, due=Decimal("141.27")))

    with pytest.raises(Faulty) as refused:
        pdf.write(off)

    assert str(refused.value) == "R-2026-0042: The amount due is 141.26, not 141.27."


def test_a_pdf_that_breaks_pdf_a_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "VARIANT", "pdf/a-3u")

    with pytest.raises(Faulty, match=r"does not say that it is PDF/A-3b \(6\.6\.4\)"):
        pdf.write(MONTH)


def test_a_page_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "html", lambda *_, **__: '<img src="file:///etc/passwd">')

    with pytest.raises(
        Faulty, match=r"fetches nothing, and this one asked for file:///etc/passwd\."
    ):
        pdf.write(MONTH)
