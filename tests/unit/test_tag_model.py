"""What was learnt of tags: kept as JSON that runs nothing, asked without surprises, learnt and measured honestly."""

from __future__ import annotations

import contextlib
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp import tagging
from fsapp.core.tag_model import Learnt, Suggestion, TagModel, features, from_json, likely, suggestions, to_json
from fsapp.errors import TaggingError
from fsapp.tagging import MIN_EXAMPLES, Example

MODEL = TagModel(5.0, 200, {"billing": Learnt(-2.0, {"w:invoice": 4.0, "b:invoi": 1.0, "d:sold": -4.0}, 40, 0.9),
                            "račun": Learnt(0.5, {}, 30, 0.7)})
HOSTILE = "\u202eIgnore all \x1b[2J previous =HYPERLINK() ${x} \U0001f600 " + "a" * 10_000


def test_a_model_comes_back_as_it_was() -> None:
    assert from_json(to_json(MODEL)) == MODEL


@pytest.mark.parametrize("text", [
    "", "[]", "null", '{"version": 2}', '{"version": 1}', "[" * 100_000, '{"version": 1, "made_at": NaN}',
    '{"version": 1, "made_at": 1, "examples": 1, "tags": []}', b"\x80\x04cos\nsystem\n.".decode("latin-1"),
    '{"version": 1, "made_at": 1, "examples": 1, "tags": {"x\\u001b": {}}}',
    '{"version": 1, "made_at": 1, "examples": 1, "tags": {"x": {"bias": 1e999, "weights": {}}}}',
    '{"version": 1, "made_at": 1, "examples": 1, "tags": {"x": {"bias": 1, "weights": {"a": "b"}}}}',
    '{"version": 1, "made_at": true, "examples": 1, "tags": {}}',
    '{"version": 1, "made_at": 1, "examples": 1e400, "tags": {}}',
])
def test_what_is_no_model_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="."):
        from_json(text)
    (tmp_path / "tags.json").write_text(text, encoding="utf-8")
    with pytest.raises(TaggingError, match="run `fsapp tags train`"):
        tagging.load(tmp_path / "tags.json")


@given(st.text())
def test_whatever_a_file_holds_is_a_model_or_is_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(from_json(text), TagModel)


def test_what_is_likely() -> None:
    assert likely(MODEL, features(["Asked for an INVOICE"], None)) == {"billing": 0.953, "račun": 0.622}
    assert likely(MODEL, features(["invoice"], "Sold")) == {"račun": 0.622}
    assert likely(MODEL, features([""], None)) == {}, "nothing was said"


@given(st.lists(st.text() | st.just(HOSTILE), max_size=4), st.none() | st.text())
def test_any_note_gives_probabilities(texts: list[str], disposition: str | None) -> None:
    found = likely(MODEL, features(texts, disposition))
    assert all(0.5 <= probability <= 1.0 for probability in found.values()) and len(found) <= 5


def test_words_come_first_and_what_it_has_is_not_suggested() -> None:
    words = {"billing": ["invoice*"], "moving": ["sold"]}
    assert suggestions(["Invoices"], "sold", (), words, MODEL) == [
        Suggestion("billing", "words", "invoices"), Suggestion("moving", "words", "sold"),
        Suggestion("račun", "learnt", probability=0.622)]
    assert suggestions(["Invoices"], "sold", ("billing", "račun"), words, None) == [
        Suggestion("moving", "words", "sold")]


def _examples(count: int) -> list[Example]:
    """Notes whose tag is in their words, among words that mean nothing; some are tagged wrongly."""
    chance = random.Random(7)
    noise = [f"word{number}" for number in range(60)]
    about = {"billing": ["invoice", "invoices", "račun", "paid"], "technical": ["router", "modem", "cable", "slow"]}
    made = []
    for number in range(count):
        tag = chance.choice(list(about))
        text = " ".join([*chance.sample(noise, 6), chance.choice(about[tag])])
        given = tag if chance.random() > 0.03 else chance.choice(list(about))
        tags = {given, "coin"} if chance.random() < 0.5 else {given}
        made.append(Example(f"u{number}", (text, f"name{number}"), None, frozenset(tags)))
    return made


def test_it_learns_what_can_be_learnt_and_measures_it_where_it_did_not_learn() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fsapp[tags]'")
    model, measures = tagging.train(_examples(600), 5.0)
    by_tag = {one.tag: one for one in measures}
    assert set(model.tags) >= {"billing", "technical"} and model.examples == 600
    for tag in ("billing", "technical"):
        assert by_tag[tag].precision >= 0.85 and by_tag[tag].recall >= 0.85 and by_tag[tag].kept
        assert 30 < by_tag[tag].there < 100, "about a fifth of half of them is held out"
    assert by_tag["coin"].precision < 0.75, "what comes by chance cannot be learnt, and the measure says so"
    assert "billing" in likely(model, features(["needs the INVOICE again"], None))
    assert from_json(to_json(model)) == model
    assert "name17" not in to_json(model), "what stands in one note is not in the model"
    assert tagging.train(_examples(600), 5.0) == (model, measures), "the same from the same"


def test_nothing_leaves_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fsapp[tags]'")
    monkeypatch.setattr("socket.socket.connect", _refused)
    monkeypatch.setattr("socket.getaddrinfo", _refused)
    monkeypatch.setattr("subprocess.Popen.__init__", _refused)
    model, _measures = tagging.train(_examples(200), 5.0)
    tagging.save(model, tmp_path / "tags.json")
    learnt = tagging.load(tmp_path / "tags.json")
    assert [one.tag for one in suggestions(["the invoice"], None, (), {}, learnt)] == ["billing"]


def _refused(*_arguments: Any, **_named: Any) -> None:
    raise AssertionError("somebody else was asked")


def test_an_extra_that_is_there_in_part_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fsapp[tags]'")
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(TaggingError, match="there in part only .*: run `.venv/bin/pip install"):
        tagging.train(_examples(200), 5.0)


def test_too_little_to_learn_from_is_refused() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fsapp[tags]'")
    all_different = [one._replace(tags=frozenset({one.id})) for one in _examples(300)]
    for examples in ([], _examples(MIN_EXAMPLES - 1), all_different):
        with pytest.raises(TaggingError, match="too little to learn from"):
            tagging.train(examples, 5.0)


def test_a_tag_that_everything_has_teaches_nothing() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fsapp[tags]'")
    model, [one] = tagging.train([one._replace(tags=frozenset({"all"})) for one in _examples(200)], 5.0)
    assert model.tags == {} and not one.kept


def test_what_a_rule_gave_teaches_nothing_of_its_tag() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fsapp[tags]'")
    examples = [one._replace(tags=frozenset({"technical"}) if "billing" in one.tags else one.tags,
                             unsure=frozenset({"billing"})) for one in _examples(300)]
    model, measures = tagging.train(examples, 5.0)
    assert "billing" not in model.tags and "billing" not in {one.tag for one in measures}


def test_without_the_extra_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert not tagging.installed()
    with pytest.raises(TaggingError, match=r"fsapp\[tags\]"):
        tagging.train(_examples(300), 5.0)


def test_a_model_that_changes_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagging, "installed", lambda: True)
    path = tmp_path / "tags.json"
    current = tagging.ModelFile(path)
    assert current() is None
    tagging.save(MODEL, path)
    assert current() == MODEL and current() is current(), "read once"
    path.write_text("something else")
    assert current() is None
    path.unlink()
    assert current() is None
    tagging.save(MODEL, path)
    monkeypatch.setattr(tagging, "installed", lambda: False)
    assert current() is None, "without the extra it is off"


def test_a_model_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "var" / "tags.json"
    assert tagging.load(path) is None
    tagging.save(MODEL, path)
    assert tagging.load(path) == MODEL
    assert [file.name for file in path.parent.iterdir()] == ["tags.json"]
    assert json.loads(path.read_text())["version"] == 1
    with pytest.raises(TaggingError, match="FSAPP_TAG_MODEL"):
        tagging.save(MODEL, tmp_path / "var" / "tags.json" / "below")
    with pytest.raises(TaggingError, match="FSAPP_TAG_MODEL"):
        tagging.load(tmp_path)
