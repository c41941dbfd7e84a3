"""The bar of imports and exports: on a terminal, and nowhere else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fsapp.cli.progress import progress


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_sees_a_bar_unless_json_is_asked_for(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    try:
        with open(theirs, "w") as terminal:
            monkeypatch.setattr(sys, "stderr", terminal)
            _shown(quiet=quiet)
            print("end", file=terminal, flush=True)
            said = b""
            while not said.endswith(b"end\r\n"):
                said += os.read(ours, 65_536)
    finally:
        os.close(ours)
    assert (b"reading" in said, b"100%" in said) == (not quiet, not quiet)


def test_a_file_or_pipe_sees_nothing_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "errors"
    with path.open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        _shown(quiet=False)
    assert path.read_bytes() == b""


def _shown(*, quiet: bool) -> None:
    with progress(quiet=quiet) as shown:
        shown.start("reading", 3)
        assert list(shown.counted("abc")) == ["a", "b", "c"]
        shown.reached(3)
