"""Suggested tags on the command line: by words and as learnt; confirmed, and learnt from again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from memory_rows import HOSTILE, CommandLine, interaction, rules_with
from sqlalchemy import select

from fsapp import tagging
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.notes import add_note, add_tags
from fsapp.records.tag_examples import tagged, written

needs_extra = pytest.mark.skipif(
    not tagging.installed(), reason="scikit-learn is not installed: pip install 'fsapp[tags]'")


@pytest.fixture
def fsapp(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, database_url: str, redis_server: Any, tmp_path: Path,
) -> CommandLine:
    monkeypatch.setenv("FSAPP_TAG_MODEL", str(tmp_path / "tags.json"))
    line = CommandLine(monkeypatch, capsys, database_url, redis_server)
    line.load(rules_with(tags={"billing": ["invoice*", "račun"]}))
    return line


def _noted(database: Database, id_: str, text: str, *tags: str, how: str = "hand") -> None:
    interaction(database, id_)

    def work(connection: Any) -> None:
        add_note(connection, text, "ana", 1.0, interaction=id_)
        add_tags(connection, ("interaction", id_), tags, "ana", how, 1.0)

    database.write(work)


def test_words_suggest_and_people_confirm(fsapp: CommandLine, database: Database) -> None:
    _noted(database, "u1", f"asked about two INVOICES {HOSTILE}", "vip")
    found = fsapp.json("tags", "suggest", "u1")
    assert found["suggestions"] == [
        {"tag": "billing", "by": "words", "word": "invoices", "probability": None, "confirmed": False}]
    assert not found["learnt"]
    kinds = select(schema.tags.c.tag, schema.tags.c.how)
    assert database.read(lambda connection: connection.execute(kinds).all()) == [("vip", "hand")], "only suggested"
    assert "is not suggested" in fsapp.refused("tags", "suggest", "u1", "--confirm", "technical")
    assert "is no tag" in fsapp.refused("tags", "suggest", "u1", "--confirm", "a/b")
    assert fsapp("tags", "suggest", "u1", "--confirm", "Billing")[:2] == (0, "It has the tag billing now.\n")
    found = dict(database.read(lambda connection: connection.execute(kinds).all()))
    assert found == {"vip": "hand", "billing": "suggestion"}
    assert fsapp("tags", "suggest", "u1")[1] == "Nothing suggests a tag.\n"
    assert "there is no interaction" in fsapp.refused("tags", "suggest", "u9")


@needs_extra
def test_it_learns_from_what_people_gave_and_suggests_that(
    fsapp: CommandLine, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "too little to learn from: 0 interactions" in fsapp.refused("tags", "train")
    words = {"technical": ["router", "modem"], "moving": ["address", "flat"]}
    for number in range(200):
        tag = ("technical", "moving")[number % 2]
        _noted(database, f"u{number}", f"the {words[tag][number % 3 % 2]} of this one", tag)
    _noted(database, "by-rule", "router", "moving", how="rule")
    told = fsapp.json("tags", "train")
    assert (told["examples"], told["tags"], told["precision"]) == (200, 2, 1.0)
    assert {one["tag"]: one["kept"] for one in told["measures"]} == {"technical": True, "moving": True}
    assert "precision 100%" in fsapp("tags", "train")[1]
    assert json.loads((tmp_path / "tags.json").read_text())["examples"] == 200
    _noted(database, "new", "invoice for a new ROUTER")
    found = fsapp.json("tags", "suggest", "new", "--confirm", "technical")
    assert [(one["tag"], one["by"], one["confirmed"]) for one in found["suggestions"]] == [
        ("billing", "words", False), ("technical", "learnt", True)]
    assert fsapp.json("tags", "train")["examples"] == 201, "what was confirmed is learnt from"
    monkeypatch.setattr("fsapp.tagging.installed", lambda: False)
    assert [one["by"] for one in fsapp.json("tags", "suggest", "new")["suggestions"]] == ["words"]
    (tmp_path / "tags.json").write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    monkeypatch.undo()
    with pytest.raises(tagging.TaggingError, match="is no model"):
        tagging.load(tmp_path / "tags.json")


def test_what_is_learnt_from(database: Database) -> None:
    _noted(database, "u1", "one", "billing")
    _noted(database, "u2", "two", "billing", how="rule")
    _noted(database, "u3", "three")
    _noted(database, "u4", "four", "moving", how="suggestion")
    interaction(database, "u5")
    database.write(lambda connection: add_tags(connection, ("interaction", "u5"), ["x"], "ana", "hand", 1.0))
    found = database.read(lambda connection: tagged(connection, 10))
    assert sorted((one.id, one.texts, one.tags) for one in found) == [
        ("u1", ("one",), frozenset({"billing"})), ("u4", ("four",), frozenset({"moving"}))]
    one = database.read(lambda connection: written(connection, "u2"))
    assert one is not None and (one.tags, one.by_rule) == (frozenset(), {"billing"})
    assert database.read(lambda connection: written(connection, "u9")) is None
    assert len(database.read(lambda connection: tagged(connection, 1))) == 1
