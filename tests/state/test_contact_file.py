"""Contacts files as people make them, and as nobody should."""

import io

import pytest

from fsapp.core.rules import Rules
from fsapp.errors import SheetError
from fsapp.sheets.rows import BadRow
from fsapp.state.contact_file import ContactFile, Row
from fsapp.state.contacts import Entry

RULES = Rules.from_document({
    "centre": {"name": "test", "region": "RS"},
    "agent": {"1001": {"name": "ana", "email": "ana@example.com"}},
})


def opened(content, **options):
    return ContactFile(io.BytesIO(content), "file.csv", RULES, **options)


def rows(content, **options):
    return list(opened(content, **options).rows())


def good(content, **options):
    found = rows(content, **options)
    assert all(isinstance(row, Row) for row in found), found
    return [(row.number, row.entry) for row in found]


def bad(content, **options):
    return [(row.line, row.reason) for row in rows(content, **options) if isinstance(row, BadRow)]


def refusal(content, **options):
    with pytest.raises(SheetError) as caught:
        rows(content, **options)
    assert all("\n" not in fault for fault in caught.value.faults)
    return " / ".join(caught.value.faults)


def test_every_known_column_and_the_contacts_own():
    content = (
        "Number,NAME,agent,Priority,due,timezone,list,City,Plan\n"
        "060 123-4567, Ana  Petrović ,ANA@example.com,7,2030-05-01 09:30,Europe/Belgrade,spring,Niš,\n"
    )
    assert good(content.encode()) == [("+381601234567", Entry(
        name="Ana Petrović", agent="1001", priority=7, due_at=1903851000, timezone="Europe/Belgrade", list="spring",
        fields={"City": "Niš"},
    ))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_found_out(delimiter, ending):
    content = ending.join([
        delimiter.join(["number", "name", "city"]), delimiter.join(["0601234567", '"Ana, Eva; | x"', "Niš"]), ""])
    file = opened(content.encode())
    assert file.file.delimiter == delimiter
    assert [row.entry.fields for row in file.rows()] == [{"city": "Niš"}]


def test_the_delimiter_can_be_said_and_excel_says_it():
    assert good(b"number:name\n0601234567:Ana", delimiter=":")[0][1].name == "Ana"
    assert good(b"sep=;\nnumber;a,b,c\n0601234567;Ana")[0][1].fields == {"a,b,c": "Ana"}
    assert bad(b"sep=;\r\nnumber;name\r\nx;Ana")[0][0] == 3


NAME = "Đorđe Čučković Šaš"


@pytest.mark.parametrize(("encoding", "found"), [
    ("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"),
    ("utf-16-be", "utf-16-be"), ("utf-32", "utf-32"), ("cp1250", "cp1250"), ("iso8859-2", "iso8859-2"),
])
def test_encodings_are_found_out(encoding, found):
    content = f"number;name\n0601234567;{NAME}\n0611234567;Žika\n"
    file = opened(content.encode(encoding))
    assert file.file.encoding == found
    assert [row.entry.name for row in file.rows()] == [NAME, "Žika"]


def test_utf_16_big_endian_with_a_mark():
    content = "\ufeffnumber;name\n0601234567;Ćira\n".encode("utf-16-be")
    assert good(content)[0][1].name == "Ćira"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_mark_does_not_count_when_the_encoding_is_named(encoding):
    for content in ('\ufeff"number","name"\n"0601234567","Ana"\n', '\ufeffsep=;\n"number";"name"\n0601234567;Ana\n'):
        assert good(content.encode(encoding), encoding=encoding)[0][1].name == "Ana"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_found_out_in_any_script(encoding):
    content = "number;напомена\n0601234567;Ђорђе Чолићжикић Шабачки неодговара пријеподне\n"
    assert good(content.encode(encoding))[0][1].fields == {
        "напомена": "Ђорђе Чолићжикић Шабачки неодговара пријеподне"}


@pytest.mark.parametrize("column", ["Broj\u00a0 telefona", "t" * 90, "\u200bTelefon", "Ime\tNaloga"])
def test_a_column_is_found_as_it_is_written_in_the_file(column):
    assert good(f"{column};name\n0601234567;Ana\n".encode(), columns={"number": column})[0][1].name == "Ana"


@pytest.mark.parametrize(("region", "encoding", "name"), [
    ("DE", "cp1252", "Jürgen Großmann"), ("RU", "cp1251", "Иван"), ("GR", "cp1253", "Νίκος"),
    ("HU", "cp1250", "Szűcs Győző"),
    ("ES", "latin-1", "Begoña"), ("TR", "cp1254", "Işık"),
])
def test_the_region_says_which_code_page(region, encoding, name):
    rules = Rules.from_document({"centre": {"name": "x", "region": region}})
    content = f"number;name\n+381601234567;{name}\n".encode(encoding)
    assert [row.entry.name for row in ContactFile(io.BytesIO(content), "f", rules).rows()] == [name]


def test_the_encoding_can_be_said():
    content = f"number;name\n0601234567;{NAME}\n".encode("cp852")
    assert good(content, encoding="cp852")[0][1].name == NAME
    assert "name the right one with --encoding" in refusal(content, encoding="utf-8")
    assert "there is no encoding 'utf-99'" in refusal(content, encoding="utf-99")
    assert "--encoding" in refusal(b"number\n060123456", encoding="utf-16")


def test_a_long_file_that_is_utf_8_but_for_its_end():
    many = b"".join(b"06%08d;Ana\n" % n for n in range(100_000))
    assert opened(b"number;name\n" + many + b"0601234567;\x8eika").file.encoding == "cp1250"


@pytest.mark.parametrize(("end", "line"), [(b"0601234567;\x8eika\n", 22), (b"0601234567;Ana \xc4", 22)])
def test_broken_utf_8_is_not_taken_for_another_encoding(end, line):
    content = b"number;name\n" + "".join(f"06111111{n};{NAME}\n" for n in range(20, 40)).encode() + end
    assert refusal(content) == (
        f"file.csv: line {line}: is UTF-8 with a broken character: mend it, or name the encoding with --encoding")
    assert opened(content, encoding="latin-1").file.encoding == "latin-1"


def test_columns_by_option():
    content = b"Telefon;Kupac;name;number\n0601234567;Ana;own;x\n"
    assert good(content, columns={"number": "telefon", "name": "KUPAC"}) == [
        ("+381601234567", Entry(name="Ana", fields={"name": "own", "number": "x"}))]
    assert refusal(content, columns={"number": "Mobilni"}) == (
        "file.csv: there is no column 'Mobilni' for number; there are: Telefon, Kupac, name, number")


@pytest.mark.parametrize(("content", "said"), [
    (b"", "is empty"), (b"\n \r\n", "is empty"), (b"\xef\xbb\xbf", "is empty"),
    (b"number,name\n", "a header and no contacts"),
    (b"number\n\n\n", "a header and no contacts"), (b"sep=;", "is empty"), (b"sep=;\n\n", "is empty"),
    (b"phone,name\n060,x\n", "there is no column 'number' but phone, name: say which one it is with --column"),
    (b"0601234567\n0611234567\n", "there is no column 'number' but 0601234567"),
    (b"number,name,NAME\n", "there are two columns 'name'"), (b"number,,name\n0601234567,,x\n", "column 2 has no name"),
    (b"number," + b",".join(b"c%d" % n for n in range(200)), "has 201 columns, at most 100"),
    (b'number,name\n0601234567,Ana\n0611234567,"Eva\n0621234567,x\n', "line 3: a quote is opened and never closed"),
    (b'number,name\n0601234567,"' + b"x\n" * 200_000, "line 2: a quote is opened and never closed"),
    (b"number,name\n0601234567," + b"x" * 200_000, "or a value has more than 131072 characters"),
    (b'number,"name\n', "line 1: a quote is opened and never closed"),
    (b"number\n" + b"6" * 2_000_000, "line 2 has no end"), (b"PK\x03\x04" + b"\0" * 50, "a broken Excel workbook"),
    (b"\x00" * 1000, "file.csv"), (bytes(range(256)) * 40, "file.csv"),
])
def test_files_that_are_refused(content, said):
    assert said in refusal(content)


@pytest.mark.parametrize(("cells", "said"), [
    ("060123", "'060123' is a short code"), ("+381900123456", "is a premium number"),
    ("hello", "'hello' is no phone number"),
    (",Ana", "has no number"), ("anonymous", "is no phone number"), ("3.81601E+11", "is no phone number"),
    ("060-CALL-ME", "is no phone number"), ("0601234567,Ana,x,y,1,2", "has 6 cells, the header has 5"),
    ("0601234567," + "x" * 4096, "the name is longer than 80 characters"),
    ("0601234567,Ana," + "y" * 4096, "'city' is longer than 500 characters"),
    ("0601234567,Ana,,nobody@example.com", "no agent of the rules has the e-mail 'nobody@example.com'"),
    ("0601234567,Ana,,,100", "the priority '100' is not a number from 0 to 99"),
    ("0601234567,Ana,,,high", "the priority 'high'"), ("0601234567,A\0na", "holds NUL bytes"),
    ('0601234567,Ana "Zmaj" P', None), ('0601234567,"Ana" P', "has a quote in the middle of a value"),
])
def test_rows_that_are_bad(cells, said):
    content = f"number,name,city,agent,priority\n0611111111,Eva\n{cells}\n0622222222,Ceca\n"
    found = rows(content.encode())
    assert [type(row) for row in found] == [Row, BadRow if said else Row, Row]
    assert found[1].line == 3
    if said:
        assert said in found[1].reason
        assert "\0" not in found[1].reason


@pytest.mark.parametrize(("column", "value", "said"), [
    ("due", "tomorrow", "'tomorrow' is no time"), ("due", "0001-01-01", "is no time"),
    ("due", "31.02.2030", "is no time"),
    ("timezone", "Mars/Base", "there is no time zone 'Mars/Base'"),
    ("timezone", "../../etc/passwd", "there is no time zone"),
    ("timezone", "/etc/passwd", "there is no time zone"), ("list", "x" * 501, "'list' is longer than"),
])
def test_cells_that_are_bad(column, value, said):
    assert said in bad(f"number,{column}\n0601234567,{value}\n".encode())[0][1]


@pytest.mark.parametrize(("value", "zone", "at"), [
    ("2030-05-01", "", 1903824000), ("2030-05-01T09:30:00+02:00", "Asia/Tokyo", 1903851000),
    ("01.05.2030 09:30", "", 1903858200),
    ("1.5.2030.", "", 1903824000), ("2030-05-01 09:30", "Europe/Belgrade", 1903851000),
])
def test_due(value, zone, at):
    assert good(f"number;due;timezone\n0601234567;{value};{zone}\n".encode())[0][1].due_at == at


def test_the_same_number_twice_names_both_lines():
    content = b"number,name\n0601234567,Ana\n\n+381 60 1234567,Eva\n00381601234567,Ceca\n"
    assert bad(content) == [(4, "+381601234567 is already in line 2"), (5, "+381601234567 is already in line 2")]


def test_lines_are_counted_as_an_editor_does():
    content = b'number,note\n0601234567,"one\ntwo\nthree"\n\nbad1,x\n0611234567,"a\nb"\nbad2,x\n'
    assert [line for line, _reason in bad(content)] == [6, 9]
    assert good(content.replace(b"bad1,x\n", b"").replace(b"bad2,x\n", b""))[0][1].fields == {"note": "one two three"}


def test_short_rows_and_empty_cells_beyond_the_header():
    assert good(b"number;name;city;;\n0601234567\n0611234567;Eva;Nis;;\n") == [
        ("+381601234567", Entry()), ("+381611234567", Entry(name="Eva", fields={"city": "Nis"}))]


def test_hostile_cells_are_cleaned():
    content = "number,name,note\n0601234567,\u202eEve${x}|`,\"a\u2028b\x1b[31m\u0085c\"\n"
    (_number, entry), = good(content.encode())
    assert entry.name == "Eve x"
    assert entry.fields == {"note": "a b[31m c"}


def test_a_million_bad_rows_are_only_counted():
    class Endless(io.RawIOBase):
        """A file of a million rows that takes no memory."""

        def __init__(self):
            self.at = 0
            self.size = 12 + 8 * 1_000_000

        def readable(self):
            return True

        def seekable(self):
            return True

        def seek(self, offset, whence=0):
            self.at = offset if whence == 0 else self.size
            return self.at

        def tell(self):
            return self.at

        def readinto(self, buffer):
            if self.at < 12:
                part = b"number,name\n"[self.at: self.at + len(buffer)]
            else:
                part = (b"nobody,\n" * 2050)[(self.at - 12) % 8:][: min(len(buffer), self.size - self.at)]
            buffer[: len(part)] = part
            self.at += len(part)
            return len(part)

    file = ContactFile(io.BufferedReader(Endless()), "f", RULES)
    assert sum(isinstance(row, BadRow) for row in file.rows()) == 1_000_000
