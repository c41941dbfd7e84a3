"""scripts/bench-reports makes a month, reads a report of it and says what it took. No timings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_report_is_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/fsapp.db"
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/benchmark/reports.py", "--count", "500", "--only", "agents by day",
         "--json"], cwd=ROOT, timeout=240, capture_output=True, text=True, check=True,
        env=os.environ | {"FSAPP_DATABASE_URL": url})
    found = json.loads(done.stdout)
    assert (found["calls"], found["database"]) == (500, "sqlite")
    assert found["agents by day"]["seconds"] > 0
    told = subprocess.run(
        [Path(sys.executable).parent / "fsapp", "report", "calls", "--from", "2026-10-01", "--to", "2026-10-31",
         "--json"], cwd=ROOT, timeout=60, capture_output=True, text=True, check=True,
        env=os.environ | {"FSAPP_DATABASE_URL": url})
    total = json.loads(told.stdout)["total"]
    assert total["calls"] == 500 and total["answered"] + total["abandoned"] == 500
