"""Files of rows that people bring: CSV and XLSX, whatever they are called, whole or broken, and those we write."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.errors import SheetError
from fsapp.sheets import unfolding, workbook
from fsapp.sheets.cells import FORMULAS, BadCell, apart, guarded, number_cell, unguarded
from fsapp.sheets.columns import CUSTOMER_COLUMNS, distinct_names, place_columns
from fsapp.sheets.opening import opened, rows_of
from fsapp.sheets.rows import BadRow, Rows
from fsapp.sheets.writing import whole_file, write_rows


def read(content: bytes, name: str = "file", region: str = "RS", **options: Any) -> Rows:
    return rows_of(io.BytesIO(content), name, region=region, **options)


def book(*sheets: Any, change: Any = None) -> bytes:
    """A workbook of sheets, each a list of rows; `change` gets it before it is saved."""
    made = openpyxl.Workbook()
    for place, rows in enumerate(sheets):
        sheet = made.active if not place else made.create_sheet()
        for row in rows:
            sheet.append(row)
    if change:
        change(made)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def cells(content: bytes, **options: Any) -> list[list[str]]:
    rows = read(content, **options)
    width = len(rows.header)
    return [row.cells[:width] for row in rows.rows() if not isinstance(row, BadRow)]


def refusal(content: bytes, **options: Any) -> str:
    with pytest.raises(SheetError) as caught:
        list(read(content, **options).rows())
    return str(caught.value)


SPELLINGS = [
    "+381601234567", "00381601234567", "0601234567", "381601234567", "601234567", "060 123 4567", "060/123-45-67",
    "(060) 123 4567", "060.123.4567", "+381 (0)60 1234567", "+381-60-123-4567", "tel:+381601234567",
    "sip:+381601234567@example.com", "060\u00a0123\u20134567", "\u202a+381601234567\u202c", "٠٦٠١٢٣٤٥٦٧",
    "'+381601234567", '="0601234567"', "381601234567.0", "3.81601234567E+11",
    "３８１６０１２３４５６７", "060 1234567 ext. 12",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_number_is_the_same_in_any_spelling(spelling: str) -> None:
    assert number_cell(spelling, "RS") == "+381601234567"


@pytest.mark.parametrize(("cell", "said"), [
    ("3.81601E+11", "a spreadsheet has cut its digits"), ('=HYPERLINK("tel:0601234567","x")', "is no phone number"),
    ("", "has no number"), ("'", "has no number"), ("\u200b \n", "has no number"), ("92", "is a short code"),
    ("060-CALL-ME", "is no phone number"), ("+381900123456", "is a premium number"), ("#N/A", "is no phone number"),
    ("1" * 5000, "is no phone number"),
])
def test_what_is_no_number(cell: str, said: str) -> None:
    with pytest.raises(BadCell, match=said):
        number_cell(cell, "RS")


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x","y")', "+1", "-1+2", "@SUM(A1)", "\tx", "\rx"])
def test_formulas_are_guarded_and_read_as_they_were(text: str) -> None:
    assert guarded(text) == f"'{text}" and unguarded(guarded(text)) == text


@given(st.text("'=+-@\tax ", max_size=6))
def test_whatever_is_guarded_is_read_as_it_was(text: str) -> None:
    assert unguarded(guarded(text)) == text == unguarded(apart(text))
    assert not guarded(text).startswith(FORMULAS)


@pytest.mark.parametrize("text", ["Ana", "'t Hof", "", "1-2"])
def test_other_texts_are_left_alone(text: str) -> None:
    assert guarded(text) == text == unguarded(text)


@pytest.mark.parametrize(("region", "encoding", "name"), [
    ("RS", "utf-8", "Đorđe Žikić"), ("RS", "utf-8-sig", "Đorđe Žikić"), ("RS", "utf-16", "Đorđe Žikić"),
    ("RS", "utf-16-be", "Đorđe Žikić"), ("RS", "cp1250", "Đorđe Žikić"), ("RS", "iso8859-2", "Đorđe Šaš Žikić"),
    ("BG", "cp1251", "Иван Петров"), ("DE", "cp1252", "Jürgen Groß"),
])
def test_encodings_are_found_out(region: str, encoding: str, name: str) -> None:
    content = f"number;name\r\n0601234567;{name}\r\n" * 1
    assert cells(content.encode(encoding), region=region) == [["0601234567", name]]


def test_a_workbook_whatever_it_is_called() -> None:
    content = book([["number", "name"], ["060 1234567", "Ana"]])
    assert cells(content, name="customers.csv") == [["060 1234567", "Ana"]]
    assert cells(b"number,name\n060,Ana\n", name="customers.xlsx") == [["060", "Ana"]]


def test_values_of_a_workbook_are_what_somebody_would_type() -> None:
    content = book([
        ["n", "a", "b", "c", "d", "e", "f"],
        [381601234567.0, datetime(2030, 5, 1, 9, 30), date(2030, 5, 1), True, 0.5, "=1+1", "x\ny"],
        [3.81601234567e11, datetime(2030, 5, 1), None, None, -3, None, "'=1"],
    ])
    assert cells(content) == [
        ["381601234567", "2030-05-01 09:30", "2030-05-01", "1", "0.5", "", "x\ny"],
        ["381601234567", "2030-05-01", "", "", "-3", "", "'=1"]]


def test_merged_cells_say_the_same_in_each_of_their_rows() -> None:
    def merge(made: Any) -> None:
        made.active.merge_cells("A1:C1")
        made.active.merge_cells("C3:C4")

    content = book([["Customers of May"], ["number", "name", "company"], ["1", "Ana", "Firma"], ["2", "Eva", None],
                    ["3", "Ceca", None]], change=merge)
    rows = read(content)
    assert rows.header == ["number", "name", "company"]
    assert [(row.line, row.cells[:3]) for row in rows.rows()] == [
        (3, ["1", "Ana", "Firma"]), (4, ["2", "Eva", "Firma"]), (5, ["3", "Ceca", ""])]


def test_one_of_several_sheets() -> None:
    content = book([["a"], ["1"]], [["b"], ["2"]], change=lambda made: setattr(made.worksheets[1], "title", "Kupci"))
    assert "say which one with --sheet; there are: 'Sheet', 'Kupci'" in refusal(content)
    assert cells(content, sheet="kupci") == [["2"]]
    assert "has no sheet 'May'; there are" in refusal(content, sheet="May")
    assert cells(book([["a"], ["1"]], [])) == [["1"]], "an empty one does not count"
    hidden = book([["a"], ["1"]], [["b"]], change=lambda made: setattr(made.worksheets[1], "sheet_state", "hidden"))
    assert cells(hidden) == [["1"]]
    assert "is no Excel workbook" in refusal(b"a\n1\n", sheet="x")


def test_lines_are_those_of_the_workbook() -> None:
    rows = read(book([[], ["a"], [None], ["1"], [], ["2"]]))
    assert [(row.line, row.cells[0]) for row in rows.rows()] == [(4, "1"), (6, "2")]


def _zip(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as folded:
        for name, content in parts.items():
            folded.writestr(name, content)
    return out.getvalue()


def _with(content: bytes, part: str, changed: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as folded:
        parts = {name: folded.read(name) for name in folded.namelist()}
    return _zip(parts | {part: changed})


GOOD = book([["number"], ["0601234567"]])
SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(("content", "said"), [
    (GOOD[:-200], "is a broken Excel workbook or zip file"), (b"PK\x03\x04" + b"\0" * 99, "is a broken Excel workbook"),
    (_zip({"a.txt": b"x"}), "a zip file and no Excel workbook"), (_zip({"mimetype": b"x"}), "an OpenDocument file"),
    (_zip({"[Content_Types].xml": b"", "xl/workbook.bin": b""}), "a binary Excel workbook"),
    (_zip({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "is a broken Excel workbook"),
    (_with(GOOD, SHEET, b"<worksheet><sheetData><row r='1'>"), "is a broken Excel workbook"),
    (_with(GOOD, SHEET, b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><worksheet>&a;</worksheet>"), "is a broken Excel workbook"),
    (_with(GOOD, SHEET, b"\xff\xfe\x00"), "is a broken Excel workbook"),
    (book([]), "is empty"),
    (b"\xd0\xcf\x11\xe0" + b"\0" * 99, "an old Excel workbook, or one with a password"),
    (b"<html><table><tr><td>number</table>", "is a web page"), (b"\xef\xbb\xbf<?xml version='1.0'?>", "is XML"),
    (b"%PDF-1.7", "a PDF file"), (b"", "is empty"),
])
def test_what_is_no_file_of_rows(content: bytes, said: str) -> None:
    assert said in refusal(content)


def test_a_workbook_that_would_unfold_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = _with(GOOD, SHEET, b" " * (3 << 20))
    monkeypatch.setattr(unfolding, "MAX_BYTES", 1 << 20)
    assert len(bomb) < 20_000
    assert "unfolds to more than" in refusal(bomb)
    monkeypatch.undo()
    assert "unfolds to more than" in refusal(_with(GOOD, "xl/styles.xml", b" " * (17 << 20)))


MAIN = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'


@pytest.mark.parametrize(("part", "content"), [
    (SHEET, MAIN + b" " * 90_000 + b"</sheetData></worksheet>"),                   # a text without end
    (SHEET, MAIN + b"<row>" + b"<c/>" * 20_000 + b"</row></sheetData></worksheet>"),  # a row
    (SHEET, MAIN + b"<a/>" * 20_000 + b"</sheetData></worksheet>"),                # elements of no row
    (SHEET, MAIN + b"<row r='1'/>" * 9000 + b"</sheetData></worksheet>"),          # too many rows
    ("xl/sharedStrings.xml", b"<sst>" + b"<x:si/>" * 10_000 + b"</sst>"),
    ("xl/media/sheet.xml", b" <worksheet>" + b" " * 90_000),
])
def test_a_part_that_would_fill_the_memory_is_not_parsed(
    part: str, content: bytes, monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, most in {"MAX_SMALL": 60_000, "LONGEST": 60_000, "MAX_ROWS": 8000, "MAX_STRINGS": 8000,
                       "_PAGE": 4001}.items():
        monkeypatch.setattr(unfolding, name, most)
    assert cells(GOOD) == [["0601234567"]]
    monkeypatch.setattr(workbook, "load_workbook", None)
    assert "unfolds to more than" in refusal(_with(GOOD, part, content))


def test_a_big_sheet_and_a_big_picture_are_no_bombs() -> None:
    rows = b"".join(b'<row r="%d"><c r="A%d" t="inlineStr"><is><t>%s</t></is></c></row>' % (n, n, b"x" * 30_000)
                    for n in range(1, 601))
    big = _with(GOOD, SHEET, MAIN + rows + b"</sheetData></worksheet>")
    assert len(cells(_with(big, "xl/media/image1.png", b"\x89PNG" + b"\0" * (17 << 20)))) == 599


def test_rows_and_columns_far_out_are_bounded() -> None:
    far = b"""<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
    <dimension ref="A1:XFD1048576"/>
    <sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>number</t></is></c></row>
    <row r="2"><c r="A2" t="inlineStr"><is><t>1</t></is></c><c r="XFD2"><v>5</v></c></row>
    <row r="99999999"><c r="A99999999"><v>7</v></c></row></sheetData></worksheet>"""
    found = list(read(_with(GOOD, SHEET, far)).rows())
    assert [row.cells[0] for row in found] == ["1"]
    assert len(found[0].cells) == 101


def place(*header: str, **said: Any) -> dict[str, list[int]]:
    return dict(place_columns("file", header, CUSTOMER_COLUMNS, said, several=("numbers",)).known)


@pytest.mark.parametrize("header", [
    ["Broj telefona", "Ime i prezime", "Jezik", "Napomena", "Preduzeće"],
    ["Telefonska številka", "Ime in priimek", "Jezik", "Opomba", "Podjetje"],
    ["Telefonszám", "Teljes név", "Nyelv", "Megjegyzés", "Cég"],
    ["Numer telefonu", "Imię i nazwisko", "Język", "Uwagi", "Firma"],
    ["Phone Number", "Full_Name", "LANGUAGE", "Comment", "Company"],
])
def test_columns_are_known_in_five_languages(header: list[str]) -> None:
    assert place(*header) == {"number": [0], "name": [1], "language": [2], "note": [3], "company": [4]}


def test_a_column_with_the_very_name_comes_first_and_options_before_all() -> None:
    assert place("telefon", "number", "name", "ime")["number"] == [1]
    found = place_columns("f", ["telefon", "number", "name", "ime"], CUSTOMER_COLUMNS, {})
    assert [name for name, _place in found.own] == ["telefon", "ime"]
    assert place("telefon", "x", number="x") == {"number": [1]}
    assert place("number", "mobile", "GSM") == {"number": [0], "numbers": [1, 2]}
    assert place("number", "a", "b", numbers=["b", "a"]) == {"number": [0], "numbers": [2, 1]}
    with pytest.raises(SheetError) as caught:
        place("a", "a", "", "b", vip="c")
    assert [fault.partition(": ")[2] for fault in caught.value.faults] == [
        "column 3 has no name", "there are two columns 'a'", "there is no column 'c' for vip; there are: a, a, , b",
        "there is no column 'number' but a, a, , b: say which one it is with --column number=NAME"]


def test_a_column_whose_name_is_guarded_is_the_one_it_was() -> None:
    found = place_columns("f", ["number", "'=x", "'+name"], CUSTOMER_COLUMNS, {"name": "+name"})
    assert found.own == [("=x", 1)] and found.known["name"] == [2]
    assert place("number", "'-n", name="'-n")["name"] == [1]


def test_names_of_columns_are_told_apart() -> None:
    assert distinct_names(["number", "Number", "number 2", ""]) == ["number", "Number 2", "number 2 2", "-"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_is_written_is_read_again(kind: str, tmp_path: Path) -> None:
    texts = ['=HYPERLINK("http://x","y")', "+1", "-2", "@x", "'=x", "''-", "'", "Đorđe \U0001f600", 'a "b" c',
             "x,y;z", "line\nline", None, 7]
    path = str(tmp_path / f"file.{kind}")
    assert write_rows(path, kind, ["number", "+"], [[text, "x"] for text in texts]) == len(texts)
    with opened(path) as file:
        rows = rows_of(file, path, region="RS")
        assert [unguarded(name) for name in rows.header] == ["number", "+"]
        found = [unguarded(row.cells[0]) for row in rows.rows()]
    assert found == ["" if text is None else " ".join(str(text).split()) for text in texts]
    assert os.stat(path).st_mode & 0o077 == 0, "nobody else reads it"
    if kind == "csv":
        with open(path, encoding="utf-8-sig", newline="") as file:
            assert not [cell for row in csv.reader(file) for cell in row if cell[:1] in ("=", "+", "-", "@")]
    else:
        sheet = openpyxl.load_workbook(path).active
        assert "f" not in {cell.data_type for row in sheet.rows for cell in row}, "no formula"


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("before")
    for kind in ("csv", "xlsx"):
        with pytest.raises(RuntimeError):
            write_rows(str(path), kind, ["a"], (_fails(n) for n in range(5000)))
        assert path.read_text() == "before" and os.listdir(tmp_path) == ["file.csv"]
    with pytest.raises(SheetError, match="is a folder"), whole_file(tmp_path):
        pass
    with pytest.raises(SheetError, match="cannot be written"), whole_file(tmp_path / "none" / "file"):
        pass


def _fails(number: int) -> list[int]:
    if number == 4000:
        raise RuntimeError
    return [number]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a small disk")
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_disk_that_is_full(kind: str, tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True,
                      check=False).returncode:
        pytest.skip("no small disk can be made here")
    try:
        path = tmp_path / f"file.{kind}"
        path.write_text("before")
        with pytest.raises(SheetError, match=r"cannot be written \(No space left on device\): nothing of it was kept"):
            write_rows(str(path), kind, ["a"], ([os.urandom(40).hex()] for _ in range(5000)))
        assert path.read_text() == "before" and os.listdir(tmp_path) == [path.name]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_workbook_is_not_imported_for_csv() -> None:
    """openpyxl takes longer to import than most commands to run."""
    code = "import sys, fsapp.cli.contacts, fsapp.cli.customers; sys.exit('openpyxl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_links_and_pipes_are_written_through(tmp_path: Path) -> None:
    real, link, pipe = tmp_path / "real", tmp_path / "link", tmp_path / "pipe"
    real.write_text("before")
    link.symlink_to(real)
    with whole_file(link) as file:
        file.write(b"after")
    assert link.is_symlink() and real.read_text() == "after"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    with whole_file(pipe) as file:
        file.write(b"said")
    assert reader.communicate(timeout=20)[0] == b"said"
    assert pipe.is_fifo()
