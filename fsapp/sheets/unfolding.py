"""What a workbook would unfold to, looked at before anything of it is parsed. Understands nothing of what is in it.

A parser keeps what it is in the middle of: a text without end, a row without end, or elements of no row would fill the
memory though no part is too big. So parts of some size are gone through, a page at a time.
"""

from __future__ import annotations

import re
import zipfile
from typing import BinaryIO
from zlib import error as ZlibError

from fsapp.errors import SheetError

__all__ = ["MAX_ROWS", "refuse_bomb"]

MAX_BYTES = 2 << 30      # of everything, unfolded: a million rows of thirty columns
MAX_TEXTS = 512 << 20    # of the table of texts, which is kept in memory
MAX_SMALL = 16 << 20     # of each other part but the sheets
MAX_ROWS = 1_048_576
MAX_STRINGS = 5_000_000
LONGEST = 16 << 20      # from one row or text to the next, and what is before and behind them
_MAX_PARTS = 10_000
_PAGE = 1 << 20
_ROW = re.compile(rb"<(?:[A-Za-z0-9]{1,40}:)?row[\s/>]")
_STRING = re.compile(rb"<(?:[A-Za-z0-9]{1,40}:)?si[\s/>]")
_PICTURES = "xl/media/"
_MARGIN = 64             # longer than what is looked for


def refuse_bomb(file: BinaryIO, name: str) -> None:
    """SheetError unless it is a workbook that unfolds to what it may. zipfile reads no more of a part than it says."""
    try:
        with zipfile.ZipFile(file) as folded:
            parts = folded.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
        raise SheetError(f"{name}: is a broken Excel workbook or zip file: open it and save it again") from None
    names = {part.filename for part in parts}
    if "[Content_Types].xml" not in names or not any(part.startswith("xl/") for part in names):
        what = "an OpenDocument file" if "mimetype" in names else "a zip file and no Excel workbook"
        raise SheetError(f"{name}: is {what}: save it as XLSX or CSV")
    if "xl/workbook.bin" in names:
        raise SheetError(f"{name}: is a binary Excel workbook: save it as XLSX or CSV")
    too_big = len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > MAX_BYTES
    for part in parts:
        lowered = part.filename.lower()
        limit = MAX_BYTES if "/worksheets/" in lowered else MAX_TEXTS if "sharedstrings" in lowered else MAX_SMALL
        too_big = too_big or (part.file_size > limit and not lowered.startswith(_PICTURES))
    if too_big or any(part.file_size > MAX_SMALL and _endless(file, part) for part in parts):
        raise SheetError(f"{name}: unfolds to more than fsapp reads of a workbook: save the sheet as CSV")


def _endless(file: BinaryIO, part: zipfile.ZipInfo) -> bool:
    """Whether a sheet or the table of texts has too many rows or texts, or one of them is too long."""
    lowered = part.filename.lower()
    unit, most = (_STRING, MAX_STRINGS) if "sharedstrings" in lowered else (_ROW, MAX_ROWS)
    try:
        with zipfile.ZipFile(file) as folded, folded.open(part) as source:
            count, since, rest = 0, 0, b""
            while page := source.read(_PAGE):
                if not count and not since and lowered.startswith(_PICTURES) and _no_xml(page):
                    return False  # a picture, whatever says that it is a sheet
                rest += page
                end = 0
                for found in unit.finditer(rest):
                    count, since, end = count + 1, 0, found.end()
                kept = min(len(rest) - end, _MARGIN)
                since += len(rest) - end - kept
                rest = rest[len(rest) - kept:]
                if count > most or since > LONGEST:
                    return True
    except (zipfile.BadZipFile, ZlibError, NotImplementedError, RuntimeError, EOFError, OSError):
        return False  # a broken one is refused by who reads it
    return False


def _no_xml(page: bytes) -> bool:
    begins = page.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1]
    return begins not in (b"<", b"")
