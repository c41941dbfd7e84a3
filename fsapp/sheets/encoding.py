"""Which encoding a text file is written in. Reads the file and changes nothing; does not know what is in it."""

from __future__ import annotations

import codecs
from typing import BinaryIO

from fsapp.errors import SheetError

__all__ = ["detect_encoding"]

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = (
    (b"PK\x03\x04", "an Excel workbook or a zip file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook, or one with a password"),
    (b"\x1f\x8b", "a gzip file"), (b"%PDF", "a PDF file"), (b"{\\rtf", "a text with formats"),
    (b"<html", "a web page"), (b"<!doctype html", "a web page"), (b"<table", "a web page"), (b"<?xml", "XML"),
)
_PAGES = {
    "cp1250": "AL BA CZ HR HU ME PL RO RS SI SK XK",
    "cp1251": "BG BY KG KZ MK MN RU TJ UA UZ",
    "cp1253": "CY GR",
    "cp1254": "AZ TR",
    "cp1257": "EE LT LV",
}
_PAGE_OF = {region: page for page, regions in _PAGES.items() for region in regions.split()}
# Where ISO 8859-2 has s and z with caron and Windows 1250 has signs that stand in no name.
_LATIN2_CARONS = b"\xa9\xae\xb9\xbe"
_SAMPLE = 1 << 16
_PAGE = 1 << 20
_WHOLE_TO_BROKEN = 10


def detect_encoding(file: BinaryIO, name: str, region: str) -> str:
    """The encoding of a seekable file as Python names it: by its mark, by being UTF-16 or UTF-8, else `region`'s.

    SheetError when it is empty, no text at all, or UTF-8 with a few broken characters: read as something else, all
    its names would be wrong.
    """
    file.seek(0)
    sample = file.read(_SAMPLE)
    if not sample.strip():
        raise SheetError(f"{name}: is empty")
    for start, what in _NO_TEXT:
        if sample[:64].lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(start.lower()):
            raise SheetError(f"{name}: is {what}: save it as CSV")
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    # Without a mark: digits and delimiters in UTF-16 have a zero as every other byte, whatever script the rest is in.
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd * 20 > len(sample) and odd > 4 * even:
        return "utf-16-le"
    if even * 20 > len(sample) and even > 4 * odd:
        return "utf-16-be"
    high = _high_bytes_unless_utf8(file)
    if high is None:
        return "utf-8"
    _refuse_broken_utf8(file, name)
    page = _PAGE_OF.get(region, "cp1252")
    windows = any(0x80 <= byte < 0xA0 for byte in high)
    if page == "cp1250" and not windows and any(byte in _LATIN2_CARONS for byte in high):
        return "iso8859-2"
    # These pages leave some bytes undefined; a file that uses them is taken for the ISO one that has them all.
    try:
        high.decode(page)
    except UnicodeDecodeError:
        return "iso8859-2" if page == "cp1250" else "latin-1"
    return page


def _high_bytes_unless_utf8(file: BinaryIO) -> bytes | None:
    """None if the whole file is UTF-8, else which bytes above ASCII it uses."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    strict = True
    used: set[int] = set()
    while page := file.read(_PAGE):
        if not page.isascii():
            used.update(page)
        if strict:
            try:
                decoder.decode(page)
            except UnicodeDecodeError:
                strict = False
    if strict:
        try:
            decoder.decode(b"", final=True)
            return None
        except UnicodeDecodeError:
            pass  # ends in the middle of a character: some other encoding
    return bytes(sorted(byte for byte in used if byte >= 0x80))


def _refuse_broken_utf8(file: BinaryIO, name: str) -> None:
    """Text in another encoding hardly ever happens to hold whole characters of UTF-8."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    whole = broken = 0
    line, found = 1, 0
    while page := file.read(_PAGE):
        text = decoder.decode(page)
        replaced = text.count("\ufffd")
        if replaced and not found:
            found = line + text.count("\n", 0, text.index("\ufffd"))
        line += text.count("\n")
        broken += replaced
        whole += len(text) - len(text.encode("ascii", "ignore")) - replaced
    if whole > _WHOLE_TO_BROKEN * max(broken, 1):
        raise SheetError(f"{name}: line {found or line}: is UTF-8 with a broken character: mend it, or name the "
                            "encoding with --encoding")
