"""scripts/bench-purge fills a database and removes half of it while others are recorded. No timings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_half_of_it_is_removed() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/benchmark/purge.py", "--calls", "1000", "--database", "sqlite",
         "--alone-s", "1", "--json"], cwd=ROOT, timeout=240, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["sqlite"]
    assert found["purged"] == {"decisions": 500, "interactions": 500, "call_states": 500}
    assert found["alone"]["longest_ms"] > 0 and found["beside"]["longest_ms"] > 0
