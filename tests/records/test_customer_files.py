"""Customers from files to the memory and back, on both kinds of database."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select

from fsapp.cli.root import main
from fsapp.records.database import Database
from fsapp.records.schema import customer_numbers, customers, notes, tags

N = "+381601234567"


@pytest.fixture
def fsapp(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """Runs a command: exit status, standard output, lines of standard error. Redis is away, and not needed."""
    monkeypatch.setenv("FSAPP_DATABASE_URL", database_url)
    monkeypatch.setenv("FSAPP_REDIS_URL", "redis://127.0.0.1:1")

    def run(*words: str, stdin: bytes = b"") -> Any:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as left:
            main(list(words))
        out, err = capsys.readouterr()
        return SimpleNamespace(status=left.value.code or 0, out=out, faults=err.splitlines())

    return run


@pytest.fixture
def imported(fsapp: Any) -> Any:
    def run(text: str | bytes, *options: str) -> Any:
        return fsapp("customers", "import", "-", *options, stdin=text if isinstance(text, bytes) else text.encode())

    return run


def everybody(database: Database) -> dict[str, Any]:
    """Customers by their main number, with all numbers, tags and notes."""
    def work(connection: Any) -> dict[str, Any]:
        found = {}
        for row in connection.execute(select(customers)).mappings().all():
            numbers = connection.execute(select(customer_numbers.c.number).where(
                customer_numbers.c.customer_id == row["id"]).order_by(customer_numbers.c.place)).scalars().all()
            found[numbers[0]] = dict(row) | {
                "numbers": numbers,
                "tags": sorted(connection.execute(
                    select(tags.c.tag).where(tags.c.subject_id == row["id"], tags.c.kind == "customer")).scalars()),
                "notes": connection.execute(
                    select(notes.c.text).where(notes.c.customer_id == row["id"])).scalars().all()}
        return found

    return database.read(work)


def test_customers_come_with_all_they_have(imported: Any, database: Database) -> None:
    done = imported(
        "Telefon;Mobilni;Ime;Prezime;VIP;Jezik;Vremenska zona;E-mail;Firma;Oznake;Napomena;Grad\n"
        "060 123-4567;0641112222, 0643334444;Ana;Petrović \U0001f600;3;SR;Europe/Belgrade;ana@example.com;Firma doo;"
        "Novi, zlatni;Zvati ujutro;Niš\n")
    assert (done.status, done.faults) == (0, [])
    assert done.out.splitlines()[0] == "1 customers imported: 1 new, 0 updated, 3 new numbers"
    kept = everybody(database)[N]
    assert kept["numbers"] == [N, "+381641112222", "+381643334444"]
    assert [kept[name] for name in ("name", "vip", "language", "timezone", "email", "company")] == [
        "Ana Petrović \U0001f600", 3, "sr", "Europe/Belgrade", "ana@example.com", "Firma doo"]
    assert (kept["tags"], kept["notes"], kept["fields"]) == (["novi", "zlatni"], ["Zvati ujutro"], {"Grad": "Niš"})
    assert kept["made_by"].startswith("cli:")


def test_a_second_time_updates_and_takes_nothing_away(imported: Any, database: Database) -> None:
    imported("number,name,vip,company,tags,note,city,street\n0601234567,Ana,3,Firma,a,first,Niš,\n")
    done = imported("number,numbers,name,vip,company,tags,note,city,plan\n"
                    "0641112222,060/123-45-67,Ana P,,,b,first,,gold\n")
    assert done.out.splitlines()[0] == "1 customers imported: 0 new, 1 updated, 1 new numbers"
    kept = everybody(database)
    assert list(kept) == [N]
    assert kept[N]["numbers"] == [N, "+381641112222"]
    assert [kept[N][name] for name in ("name", "vip", "company", "tags", "notes", "fields")] == [
        "Ana P", 3, "Firma", ["a", "b"], ["first"], {"city": "Niš", "plan": "gold"}]
    assert kept[N]["changed_at"] >= kept[N]["made_at"]


def test_one_customer_whatever_the_spelling(imported: Any, database: Database) -> None:
    for spelling in ("+381601234567", "00381601234567", "060 123 4567", "381601234567.0", "3.81601234567E+11"):
        assert imported(f'number,name\n"{spelling}",Ana\n').status == 0
    assert list(everybody(database)) == [N]


def test_one_bad_row_imports_nothing_and_all_are_reported(imported: Any, database: Database, tmp_path: Path) -> None:
    imported("number,name\n0601111111,Ana\n0602222222,Eva\n")
    report = tmp_path / "bad.csv"
    content = ("number,numbers,vip,language,email,timezone\n"
               "0603333333,,,,,\n"          # good
               "x,,,,,\n"                   # 3
               "0603333333,,,,,\n"          # 4: again
               "0601111111,0602222222,,,,\n"   # 5: two customers
               "0604444444,,10,,,\n"        # 6
               "0604444445,,,serbian,,\n"   # 7
               "0604444446,,,,nobody,\n"    # 8
               "0604444447,,,,,Mars/Base\n"  # 9
               ",,,,,\n")
    done = imported(content, "--report", str(report))
    assert done.status == 1
    assert done.faults[-1] == (
        "fsapp: standard input: nothing was imported: mend these rows, or leave them out with --skip-bad")
    said = "\n".join(done.faults)
    for line, why in ((3, "'x' is no phone number"), (4, "+381603333333 is already in line 2"), (6, "VIP level '10'"),
                      (5, "its numbers belong to different customers: +381601111111 to Ana ("),
                      (7, "'serbian' is no language"), (8, "'nobody' is no e-mail address"), (9, "no time zone")):
        assert f"line {line}: " in said and why in said, (line, said)
    assert len(report.read_text().splitlines()) == 8
    assert len(everybody(database)) == 2
    done = imported(content, "--skip-bad", "--json")
    assert done.status == 0
    answer = json.loads(done.out)
    assert (answer["imported"], answer["added"], len(answer["bad"])) == (1, 1, 7)
    assert set(everybody(database)) == {"+381601111111", "+381602222222", "+381603333333"}


def test_two_rows_that_are_one_customer(imported: Any) -> None:
    imported("number,numbers\n0601111111,0602222222\n")
    done = imported("number,name\n0601111111,Ana\n0602222222,Eva\n")
    assert "line 3: is the same customer as line 2" in done.faults[0]


def test_a_dry_run_says_what_would_be(imported: Any, database: Database) -> None:
    imported("number\n0601111111\n")
    done = imported("number,name\n0601111111,Ana\n0602222222,Eva\n", "--dry-run")
    assert done.out.splitlines()[0] == "2 customers would be imported: 1 new, 1 updated, 1 new numbers"
    assert [row["name"] for row in everybody(database).values()] == [None]
    assert imported("number\n0601111111\n0601111111\n", "--dry-run").status == 1


def test_hostile_names_are_cleaned(imported: Any, database: Database) -> None:
    imported('number,name,city\n0601234567,"\u202eA\u200bna ""Zmaj""\n${x}\u2067","=HYPERLINK(""http://x"",""y"")"\n')
    kept = everybody(database)[N]
    assert (kept["name"], kept["fields"]) == ('Ana "Zmaj" ${x}', {"city": '=HYPERLINK("http://x","y")'})


def test_tags_are_spelled_as_everywhere(fsapp: Any, imported: Any, database: Database) -> None:
    """Otherwise nobody could take them away, or find them."""
    assert imported("number,tags\n0601234567,Wants refund; VIP_Kunde ;;wants-refund\n").status == 0
    assert everybody(database)[N]["tags"] == ["vip-kunde", "wants-refund"]
    assert fsapp("customers", "tag", N, "Wants refund", "--remove").status == 0
    done = imported("number,tags\n0601234567,good; a/b\n")
    assert done.status == 1 and "line 2: 'a/b' is no tag" in done.faults[0]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_was_said_otherwise_is_imported_again(
    fsapp: Any, imported: Any, database: Database, tmp_path: Path, kind: str,
) -> None:
    name = 'Željko "Žile" <O\'Neil> {x} ' + "a" * 150
    assert fsapp("customers", "add", N, "--name", name, "--language", "zh-hans-cn").status == 0
    path = tmp_path / f"all.{kind}"
    assert fsapp("customers", "export", "--to", str(path)).status == 0
    done = fsapp("customers", "import", str(path))
    assert (done.status, done.faults) == (0, [])
    kept = everybody(database)[N]
    assert (kept["name"], kept["language"]) == (name, "zh-hans-cn")


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_is_exported_is_imported_again(
    fsapp: Any, imported: Any, database: Database, tmp_path: Path, kind: str,
) -> None:
    imported("number,numbers,name,vip,tags,city,=street\n0601234567,0641112222,Ana,2,\"a,b\",=1+1,x\n"
             "0611234567,,'t Hof,,,@x,\n")
    path = tmp_path / f"all.{kind}"
    done = fsapp("customers", "export", "--to", str(path))
    assert (done.status, done.out) == (0, f"{path}: 2 customers\n")
    before = everybody(database)
    with_tag = fsapp("customers", "export", "--tag", "a").out.splitlines()
    assert with_tag[0] == "number,numbers,name,vip,language,timezone,email,company,tags,'=street,city"
    assert with_tag[1:] == ["'+381601234567,'+381641112222,Ana,2,,,,,a; b,x,'=1+1"]
    database.write(lambda connection: [connection.execute(table.delete()) for table in (tags, customers)])
    done = fsapp("customers", "import", str(path), "--json")
    assert (done.status, json.loads(done.out)["added"]) == (0, 2)
    after = everybody(database)
    for number, row in before.items():
        for name in ("name", "vip", "numbers", "tags", "fields"):
            assert after[number][name] == row[name], name


def test_an_import_is_not_seen_in_parts(imported: Any, database: Database) -> None:
    """50,000 rows; the last is bad, or not."""
    text = "number,name\n" + "".join(f"06{20_000_000 + n},Ana {n}\n" for n in range(50_000))
    assert imported(text + "0620000000,again\n").status == 1
    assert everybody(database) == {}
    assert imported(text).out.startswith("50000 customers imported: 50000 new, 0 updated, 50000 new numbers")
    assert imported(text).out.startswith("50000 customers imported: 0 new, 50000 updated, 0 new numbers")
    assert database.read(lambda connection: connection.execute(
        select(func.count()).select_from(customers)).scalar_one()) == 50_000


_KILLED = """
import os, signal, sys
from fsapp.cli import customer_import
from fsapp.cli.root import main

def killed(connection, **more):
    whole(connection, **more)
    print("written", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

whole, customer_import.write = customer_import.write, killed
main(["customers", "import", sys.argv[1]])
"""


def test_an_import_that_is_killed_leaves_nothing(fsapp: Any, database: Database, tmp_path: Path) -> None:
    """With all rows written, before the last step: nothing of them is seen, and the next import finds the way free."""
    path = tmp_path / "in.csv"
    path.write_text("number,name,note,tags\n" + "".join(f"06{20_000_000 + n},Ana,x,y\n" for n in range(3000)))
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path)], capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"written\n"), done.stderr
    assert everybody(database) == {}
    for table in (customer_numbers, notes, tags):
        assert database.read(lambda connection, table=table: connection.execute(
            select(func.count()).select_from(table)).scalar_one()) == 0
    assert fsapp("customers", "import", str(path)).out.startswith("3000 customers imported: 3000 new")


def test_files_and_databases_that_are_none(fsapp: Any, imported: Any, tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing.csv: cannot be read" in fsapp("customers", "import", str(tmp_path / "nothing.csv")).faults[0]
    assert "is a folder" in fsapp("customers", "import", str(tmp_path)).faults[0]
    assert "holds a header and no customers" in imported("number\n").faults[0]
    assert "there is no column 'number' but a" in imported("a\nb\n").faults[0]
    path = tmp_path / "in.csv"
    path.write_text("number\nx\n")
    assert "name another one with --report" in fsapp("customers", "import", str(path), "--report", str(path)).faults[0]
    assert "--to" in "".join(fsapp("customers", "export", "--json").faults)
    assert "name a file with --to" in fsapp("customers", "export", "--format", "xlsx").faults[0]
    monkeypatch.setenv("FSAPP_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    for words in (("import", str(path)), ("export",)):
        done = fsapp("customers", *words)
        assert done.status == 1 and "fsapp records migrate" in done.faults[0] and len(done.faults) == 1
