"""A document as PDF, A4, with its fonts inside."""

from __future__ import annotations

from functools import cache
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

from marketplace.web.invoice_words import InvoicePage

FONTS = Path(__file__).parent / "fonts"
REGULAR, BOLD = "Invoice", "Invoice-Bold"
WIDTH = A4[0] - 40 * mm
LINE = HexColor("#b9b4a8")
TEXT = ParagraphStyle("text", fontName=REGULAR, fontSize=9, leading=13)
SMALL = ParagraphStyle("small", parent=TEXT, fontSize=8, leading=11, textColor=HexColor("#55524a"))
NUMBER = ParagraphStyle("number", parent=TEXT, alignment=2)
STRONG = ParagraphStyle("strong", parent=TEXT, fontName=BOLD)
STRONG_NUMBER = ParagraphStyle("strong_number", parent=STRONG, alignment=2)
HEAD = ParagraphStyle("head", parent=SMALL, fontName=BOLD)
HEAD_NUMBER = ParagraphStyle("head_number", parent=HEAD, alignment=2)
# A page's frame has a padding of 6 points, which tables of the full width cover and these two must, too.
TITLE = ParagraphStyle("title", parent=TEXT, fontName=BOLD, fontSize=16, leading=22, leftIndent=-6)
NOTE = ParagraphStyle("note", parent=SMALL, leftIndent=-6, rightIndent=-6)


def invoice_pdf(page: InvoicePage) -> bytes:
    """The same rows give the same bytes, always."""
    _register_fonts()
    paper = BytesIO()
    document = SimpleDocTemplate(
        paper,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=20 * mm,
        bottomMargin=20 * mm,
        title=page.title,
        author=page.invoice.issuer_name,
        invariant=1,
        lang="en-GB",
    )
    document.build(_story(page))
    return paper.getvalue()


@cache
def _register_fonts() -> None:
    pdfmetrics.registerFont(TTFont(REGULAR, FONTS / "DejaVuSans.ttf"))
    pdfmetrics.registerFont(TTFont(BOLD, FONTS / "DejaVuSans-Bold.ttf"))


def _story(page: InvoicePage) -> list[Any]:
    facts = [[_text(label, SMALL), _text(text)] for label, text in page.facts]
    return [
        _text(page.title, TITLE),
        Spacer(1, 6 * mm),
        _table([[_block("From", page.sender), _block("To", page.recipient or ["No name was given."])]], [0.5, 0.5]),
        Spacer(1, 6 * mm),
        _table(facts, [0.25, 0.75]),
        Spacer(1, 8 * mm),
        _lines(page),
        Spacer(1, 4 * mm),
        _sums(page),
        Spacer(1, 8 * mm),
        *([_text(page.note, NOTE)] if page.note else []),
    ]


def _block(label: str, lines: list[str]) -> list[Paragraph]:
    return [_text(label, SMALL), *(_text(line, TEXT if position else STRONG) for position, line in enumerate(lines))]


def _lines(page: InvoicePage) -> Table:
    count = len(page.heads) - 1
    head = [_text(page.heads[0], HEAD), *(_text(one, HEAD_NUMBER) for one in page.heads[1:])]
    rows = [[_text(row[0]), *(_text(one, NUMBER) for one in row[1:])] for row in page.rows]
    share = 0.17 if count > 1 else 0.25
    style = [("LINEBELOW", (0, 0), (-1, -1), 0.5, LINE)]
    return _table([head, *rows], [1 - share * count, *[share] * count], style, repeatRows=1)


def _sums(page: InvoicePage) -> Table:
    *parts, (label, total) = page.sums
    rows = [[_text(one, NUMBER), _text(amount, NUMBER)] for one, amount in parts]
    rows.append([_text(label, STRONG_NUMBER), _text(total, STRONG_NUMBER)])
    return _table(rows, [0.7, 0.3], [("LINEABOVE", (0, -1), (-1, -1), 0.8, LINE)])


def _table(rows: list[list[Any]], shares: list[float], style: list[Any] | None = None, **options: Any) -> Table:
    flush = [
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
    return Table(rows, colWidths=[share * WIDTH for share in shares], style=[*flush, *(style or [])], **options)


def _text(text: str, style: ParagraphStyle = TEXT) -> Paragraph:
    return Paragraph(escape(text, quote=False), style)
