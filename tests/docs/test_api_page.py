"""Every route of the API has its part in docs/api.md, with who may and an example; and the page names no other."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from fsapp.records.tokens import May
from fsapp.web.application import make

PAGE = (Path(__file__).resolve().parents[2] / "docs/api.md").read_text(encoding="utf-8")


def routes() -> dict[str, May]:
    app = make(SimpleNamespace())  # type: ignore[arg-type]
    found = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+?)_?>", r"<\1>", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            found[f"{method} {path}"] = app.view_functions[rule.endpoint].fsapp_may
    return found


@pytest.mark.parametrize("route", routes())
def test_route_is_documented_with_who_may_and_an_example(route: str) -> None:
    assert f"### `{route}`\n" in PAGE
    part = PAGE.partition(f"### `{route}`\n")[2].partition("\n#")[0]
    assert f"May: {routes()[route]}." in part
    example = next(line for line in part.splitlines() if line.startswith("    "))
    pattern = re.sub(r"<\w+>", "[^/? ]+", re.escape(route.replace("<", "\0").replace(">", "\1"))
                     .replace("\\\0", "\0").replace("\0", "<").replace("\1", ">"))
    assert re.match(r"    " + pattern, example), example


def test_the_page_documents_nothing_that_is_not_there() -> None:
    assert set(re.findall(r"### `([A-Z]+ /\S+)`", PAGE)) == set(routes())


def test_every_code_of_a_fault_is_documented() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (
        Path(__file__).resolve().parents[2] / "fsapp/web").glob("*.py"))
    codes = set(re.findall(r'\b\d{3}, "([a-z-]+)"', source)) | set(re.findall(r'\d{3}: "([a-z-]+)"', source))
    codes -= {"conflict", "unavailable"}  # the general words of 409 and 503, which always have their own
    assert codes and [code for code in codes if f"`{code}`" not in PAGE] == []
