"""The fonts of a report, and text that no font, markup or control character can break.

DejaVu (free, ships with matplotlib) is put into the file. Chinese, Japanese and Korean, which it lacks, name fonts that
readers of PDF bring along; a character that none of them has is shown by its number, never as a blank.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

PLAIN, BOLD = "DejaVu Sans", "DejaVu Sans Bold"
_FILES = {PLAIN: "DejaVuSans.ttf", BOLD: "DejaVuSans-Bold.ttf"}
# of the readers: Han and kana, Hangul
_HAN, _HANGUL = "STSong-Light", "HYSMyeongJo-Medium"
# a text of one cell is cut here: no report is longer for a hostile file
MOST = 2000


@cache
def register() -> None:
    """Make the fonts known, once."""
    from reportlab.lib.fonts import addMapping
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFont

    spec = find_spec("matplotlib")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    for name, file in _FILES.items():
        pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    for name in (_HAN, _HANGUL):
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    for bold in (0, 1):
        addMapping(PLAIN, bold, 0, BOLD if bold else PLAIN)


@cache
def _font(character: str) -> str:
    """The font that has a character, "" where none has."""
    from reportlab.pdfbase import pdfmetrics

    register()
    if ord(character) in pdfmetrics.getFont(PLAIN).face.charToGlyph:
        return PLAIN
    name = unicodedata.name(character, "")
    if "HANGUL" in name:
        return _HANGUL
    return _HAN if name.startswith(("CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC")) else ""


def visible(text: object) -> str:
    """Text on one line whose every character can be seen: what is no letter or sign is written as [U+202E]."""
    one = " ".join(str(text)[:MOST].split())
    return "".join(c if not unicodedata.category(c).startswith("C") and _font(c) else f"[U+{ord(c):04X}]" for c in one)


def runs(text: object, font: str = PLAIN) -> list[tuple[str, str]]:
    """(font, part) of a text, for drawing it."""
    return [(font if own == PLAIN else own, "".join(part)) for own, part in groupby(visible(text), key=_font)]


def marked(text: object) -> str:
    """A text as markup of a paragraph: nothing in it is taken for a tag."""
    return "".join(
        escape(part) if name == PLAIN else f'<font name="{name}">{escape(part)}</font>' for name, part in runs(text)
    )
