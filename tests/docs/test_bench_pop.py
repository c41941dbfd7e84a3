"""scripts/bench-pop works: it fills a database of its own, measures, and leaves nothing behind. No timings."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from postgresql_server import missing

BENCH = Path(__file__).parents[2] / "scripts/benchmark/pop.py"


def test_it_says_its_figures_and_removes_its_data() -> None:
    if why := missing():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        done = subprocess.run(
            [sys.executable, str(BENCH), "--interactions", "1000", "--rounds", "1", "--reads", "10", "--json"],
            capture_output=True, text=True, timeout=120, check=False, env={"PATH": "/usr/bin:/bin", "TMPDIR": folder})
        assert done.returncode in (0, 1), done.stderr
        said = json.loads(done.stdout)
        assert said["interactions"] == 1000 and said["met"] == (done.returncode == 0)
        assert all(said[name]["p99_ms"] >= said[name]["p50_ms"] > 0 for name in ("pop", "heavy", "bare"))
        assert list(Path(folder).iterdir()) == []
