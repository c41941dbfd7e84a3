"""The import rules of setup.cfg hold: who may know whom; and what only one file may do, no other does."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_imports_follow_the_contracts():
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_greenlets_are_started_in_one_place():
    found = [
        path.relative_to(ROOT).as_posix() for path in (ROOT / "fsapp").rglob("*.py")
        if re.search(r"\b(?:gevent\.spawn\w*|Greenlet|spawn_later|spawn_raw)\(", path.read_text(encoding="utf-8"))
    ]
    assert found == ["fsapp/spawn.py"]


def test_every_part_has_its_layer():
    """A module that no layer names would be free of the import rules."""
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    layers = set(re.findall(r"fsapp\.(\w+)", setup.partition("layers =\n")[2].partition("\n\n")[0]))
    parts = {path.stem for path in (ROOT / "fsapp").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert parts - {"__init__", "__main__", "__pycache__"} == layers
