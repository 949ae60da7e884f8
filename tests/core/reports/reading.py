"""The text of a PDF of ours, read back by what the file itself says of its fonts."""

from __future__ import annotations

import base64
import re
import zlib

_STRING = rb"\((?:[^()\\]|\\.)*\)"
_TOKEN = re.compile(rb"/(F\d+(?:\+\d+)?) [\d.]+ Tf|(" + _STRING + rb") Tj|(T\*)|(ET)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def text(pdf: bytes) -> str:
    """What stands on the pages, a line for each piece of text."""
    objects = {int(n): body for n, body in re.findall(rb"(\d+) 0 obj\s(.*?)endobj", pdf, re.DOTALL)}
    fonts = {name.decode(): objects[int(n)] for name, n in re.findall(rb"/(F\d+(?:\+\d+)?) (\d+) 0 R", pdf)}
    maps = {name: _map(objects, font) for name, font in fonts.items()}
    pages = [objects[int(n)] for body in objects.values() if b"/Type /Page\n" in body or b"/Type /Page " in body
             for n in re.findall(rb"/Contents (\d+) 0 R", body)]  # fmt: skip
    return "\n".join(_page(_stream(page), maps) for page in pages)


def pages(pdf: bytes) -> int:
    """How many there are."""
    return len(re.findall(rb"/Contents \d+ 0 R", pdf))


def _stream(body: bytes) -> bytes:
    data = body[re.search(rb"stream\r?\n", body).end() :][: int(re.search(rb"/Length (\d+)", body).group(1))]
    if b"ASCII85Decode" in body:
        data = base64.a85decode(data.strip().removesuffix(b"~>"))
    return zlib.decompress(data) if b"FlateDecode" in body else data


def _map(objects: dict[int, bytes], font: bytes):
    """From the bytes of a string in this font to text."""
    found = re.search(rb"/ToUnicode (\d+) 0 R", font)
    if not found:
        return lambda raw: raw.decode("utf-16-be" if b"Uni" in font else "latin-1")
    pairs = re.findall(rb"<(\w{2})> <(\w{4,})>", _stream(objects[int(found.group(1))]))
    table = {int(code, 16): bytes.fromhex(own.decode()).decode("utf-16-be") for code, own in pairs}
    return lambda raw: "".join(table.get(b, "?") for b in raw)


def _page(stream: bytes, maps: dict) -> str:
    out, font = [], ""
    for name, string, line, end in _TOKEN.findall(stream):
        if name:
            font = name.decode()
        elif string:
            out.append(maps[font](_plain(string[1:-1])))
        else:
            out.append(" " if line and not end else "\n")
    return "".join(out)


def _plain(raw: bytes) -> bytes:
    def one(found: re.Match) -> bytes:
        own = found.group(1)
        return bytes([int(own, 8)]) if own[:1].isdigit() else _ESCAPES.get(own, own)

    return re.sub(rb"\\([0-7]{3}|.)", one, raw, flags=re.DOTALL)
