"""docs/follow-ups.md: its receiver takes what fsapp sends and nothing else; every key and placeholder is there."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from fsapp.core.after_rules import After, Webhook
from fsapp.core.follow_up import Action, Finished, Kind
from fsapp.core.following import document
from fsapp.core.placeholders import PLACEHOLDERS
from fsapp.core.rules import Rules
from fsapp.followups.webhook import signature
from fsapp.rules import check, load_folder
from fsapp.rules.after_schema import After as AfterTable
from fsapp.rules.after_schema import AfterTask

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/follow-ups.md").read_text(encoding="utf-8")
BODY = '{"name": "\u0161"}'.encode()


@pytest.fixture
def is_from_fsapp() -> Any:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/follow-ups.md", "exec"), names)
    return names["is_from_fsapp"]


def test_the_receiver_takes_what_fsapp_sends_and_nothing_else(is_from_fsapp: Any) -> None:
    now = int(time.time())
    header = signature(BODY, "secret", now)
    assert is_from_fsapp(BODY, header, "secret")
    assert not is_from_fsapp(BODY + b" ", header, "secret")
    assert not is_from_fsapp(BODY, header, "another")
    assert not is_from_fsapp(BODY, signature(BODY, "secret", now - 301), "secret")
    assert not is_from_fsapp(BODY, header.replace(f"t={now}", f"t={now + 1}"), "secret")
    for nonsense in ("", "t=", "v1=x", "t=x,v1=y", f"t={now}", f"t={now},v1=\u0161", "t=\u0661,v1=x", "===,,,"):
        assert not is_from_fsapp(BODY, nonsense, "secret")


def test_every_key_and_placeholder_is_on_the_page() -> None:
    for model in (AfterTable, AfterTask):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}`" in PAGE, name
    assert set(re.findall(r"`\{([a-z_]+)\}`", PAGE)) == set(PLACEHOLDERS)
    for name in Webhook.__dataclass_fields__:
        assert name == "name" or f"`{name}`" in PAGE


def test_the_document_has_the_keys_on_the_page() -> None:
    rules = Rules.from_document(load_folder(ROOT / "conf/rules"))
    action = Action("d", Kind.WEBHOOK, After("r"), "w")
    made = document(Finished("u1", agent="1001", customer_id="c1"), action, rules, 1.0)
    [text] = re.findall(r'(?s)    (\{"version": 1.*?\}\})', PAGE)
    assert set(re.findall(r'"([a-z_]+)"', text)) - {"sold"} == {
        *made, *made["interaction"], *made["agent"], *made["customer"]}


def test_the_examples_of_the_rules_are_sound(tmp_path: Path) -> None:
    for file in (ROOT / "conf/rules").glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        if file.name == "after.toml":
            rest = text.partition("\n# [[after]]")[2]
            text = re.sub(r"(?m)^# ?", "", "[[after]]" + rest)
        elif file.name == "campaigns.toml":
            text = text.replace('stickiness = "agent"\n', 'stickiness = "agent"\ndispositions = ["sold"]\n', 1)
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    checked = check(tmp_path)
    assert (checked.faults, checked.warnings) == ((), ())
    assert [rule["name"] for rule in checked.document["after"]] == [
        "ticket-of-every-talk", "lost-vip", "sold", "how-was-it"]
