"""A report on numbered pages: headings, text, tables and figures from top to bottom; the same input, the same bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.reports import fonts
from core.reports.fonts import marked

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing

MARGIN = 50.0  # points
FIGURE = 260.0  # room for a heading with a figure
WIDTH = 595.27 - 2 * MARGIN  # of the text on A4
INK, BLUE, ORANGE, RULE, SHADE = "#222222", "#0072B2", "#D55E00", "#B8C0C8", "#F1F3F5"


@dataclass(frozen=True)
class About:
    """What a report says of itself: when and with what it was made, from what, and what it is not.

    ``digest`` is the SHA-256 of the JSON file that lies beside the report and holds the same numbers.
    """

    made_at: str
    software: str
    digest: str
    notice: str


class Paper:
    """A report that grows from top to bottom."""

    def __init__(self, title: str, lead: str) -> None:
        """Begin with a title and what is reported, in a line."""
        from reportlab.lib.styles import ParagraphStyle

        fonts.register()
        body = ParagraphStyle(
            "body", fontName=fonts.PLAIN, fontSize=8.5, leading=11.5, textColor=INK, spaceAfter=4, splitLongWords=1
        )
        cell = ParagraphStyle("cell", body, fontSize=7, leading=9, spaceAfter=0)
        self._styles = {
            "body": body,
            "cell": cell,
            "head": ParagraphStyle("head", cell, fontName=fonts.BOLD),
            "title": ParagraphStyle("title", body, fontName=fonts.BOLD, fontSize=16, leading=20),
            "heading": ParagraphStyle("heading", body, fontName=fonts.BOLD, fontSize=11, leading=14, spaceBefore=10),
            "caption": ParagraphStyle("caption", body, fontSize=7.5, leading=10, textColor="#505860"),
            "warning": ParagraphStyle(
                "warning", body, borderColor=ORANGE, borderWidth=1, borderPadding=5, spaceBefore=6, spaceAfter=10
            ),
        }
        self.title = fonts.visible(title)
        self._story: list[Any] = []
        self._add("title", title)
        self._add("body", lead)

    def _add(self, style: str, text: object) -> None:
        from reportlab.platypus import Paragraph

        self._story.append(Paragraph(marked(text), self._styles[style]))

    def heading(self, text: object, room: float = 70.0) -> None:
        """A heading; the next page where there is no ``room``, in points, for it and what follows."""
        from reportlab.platypus import CondPageBreak

        self._story.append(CondPageBreak(room))
        self._add("heading", text)

    def text(self, *paragraphs: object) -> None:
        """Paragraphs."""
        for one in paragraphs:
            self._add("body", one)

    def caption(self, text: object) -> None:
        """A small line, below a table or figure."""
        self._add("caption", text)

    def warning(self, text: object) -> None:
        """What must not be overlooked."""
        self._add("warning", text)

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[object]], shares: Sequence[float] | None = None
    ) -> None:
        """A table that goes on over pages, its head on each; ``shares`` are the widths of its columns."""
        from reportlab.platypus import Paragraph, Spacer, Table

        parts = shares or [1.0] * len(columns)
        head = [Paragraph(marked(c), self._styles["head"]) for c in columns]
        cells = [[Paragraph(marked(c), self._styles["cell"]) for c in row] for row in rows]
        lines = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
            ("BACKGROUND", (0, 0), (-1, 0), SHADE),
            ("LEFTPADDING", (0, 0), (-1, -1), 3),
            ("RIGHTPADDING", (0, 0), (-1, -1), 3),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ]
        widths = [WIDTH * p / sum(parts) for p in parts]
        self._story += [
            Table([head, *cells], colWidths=widths, repeatRows=1, splitInRow=1, style=lines),
            Spacer(0, 6),
        ]

    def facts(self, pairs: Mapping[str, object]) -> None:
        """What and value, a row each."""
        self.table(("What", "Value"), list(pairs.items()), (1, 3))

    def figure(self, drawing: Drawing, caption: str) -> None:
        """A figure with what it shows below it, on one page."""
        from reportlab.platypus import KeepTogether, Paragraph

        self._story.append(KeepTogether([drawing, Paragraph(marked(caption), self._styles["caption"])]))

    def end(self, about: About) -> bytes:
        """The PDF, closed with how it was made."""
        from reportlab.platypus import SimpleDocTemplate

        self.heading("How this report was made")
        self.facts(
            {
                "Report made at": about.made_at,
                "Software": about.software,
                "SHA-256 of the JSON beside this report": about.digest,
            }
        )
        self.caption("The JSON holds the same numbers in full; the audit of the site keeps the hash of this report.")
        buffer = io.BytesIO()
        document = SimpleDocTemplate(
            buffer, pagesize=(595.27, 841.89), topMargin=48, bottomMargin=58, leftMargin=MARGIN - 6,
            rightMargin=MARGIN - 6, title=self.title, author="Affectline", subject=about.notice,
            creator=about.software, invariant=1,
        )  # fmt: skip
        document.build(self._story, canvasmaker=_numbered(about))
        return buffer.getvalue()


def _numbered(about: About) -> type:
    """A canvas that knows, when it writes the foot of a page, how many there are."""
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._pages: list[dict] = []

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, 1):
                self.__dict__.update(page)
                self._foot(number)
                super().showPage()
            super().save()

        def _foot(self, number: int) -> None:
            self.setStrokeColor(RULE)
            self.line(MARGIN, 46, MARGIN + WIDTH, 46)
            self.setFillColor(INK)
            self.setFont(fonts.PLAIN, 6.5)
            self.drawString(MARGIN, 36, about.notice)
            self.drawString(MARGIN, 26, f"{about.software} · {about.made_at} · content {about.digest[:16]}")
            self.drawRightString(MARGIN + WIDTH, 26, f"Page {number} of {len(self._pages)}")

    return Numbered
