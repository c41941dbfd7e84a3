"""No page tells anybody to use a password that fsapp itself refuses."""

from __future__ import annotations

import re
from pathlib import Path

from fsapp.doctor.passwords import Strength, strength

ROOT = Path(__file__).resolve().parents[2]


def test_whoever_types_a_page_word_for_word_has_passwords_that_are_taken() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = [
        (page.name, value)
        for page in pages
        for line in page.read_text(encoding="utf-8").splitlines() if "export " in line
        for value in re.findall(r"\bFSAPP_[A-Z]+_PASSWORD=([^\s`]*)", line)
    ]
    assert len(found) > 1
    for name, value in found:
        if not value.startswith(("$(", "...")):
            assert strength(value) is Strength.FINE, f"{name}: {value}"
