"""The last good rules in a file: whole or not at all, and never the end of a process."""

from __future__ import annotations

import msgpack
import pytest
import structlog
from structlog.testing import capture_logs

from fsapp.state import snapshot


@pytest.fixture(autouse=True)
def _plain_logs():
    structlog.reset_defaults()


def test_what_was_saved_last_is_loaded(tmp_path):
    path = tmp_path / "var" / "rules.snapshot"
    assert snapshot.load(path) is None
    snapshot.save(path, 3, {"centre": {"region": "RS"}})
    snapshot.save(path, 4, {"centre": {"region": "HU"}})
    assert snapshot.load(path) == (4, {"centre": {"region": "HU"}})
    assert [file.name for file in path.parent.iterdir()] == ["rules.snapshot"]


def test_a_file_that_cannot_be_replaced_is_said_and_leaves_nothing(tmp_path):
    (tmp_path / "rules.snapshot").mkdir()
    with capture_logs() as logs:
        snapshot.save(tmp_path / "rules.snapshot", 1, {})
    assert [line["event"] for line in logs] == ["snapshot_not_saved"]
    assert [file.name for file in tmp_path.iterdir()] == ["rules.snapshot"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "var").write_text("a file")
    with capture_logs() as logs:
        snapshot.save(tmp_path / "var" / "rules.snapshot", 1, {})
    assert [line["event"] for line in logs] == ["snapshot_not_saved"]


@pytest.mark.parametrize("content", [
    b"", b"garbage", b"\xc1", msgpack.packb([1, 2]), msgpack.packb({"version": 1}), msgpack.packb(None),
    msgpack.packb({"version": "x", "document": {}}),
    msgpack.packb({"version": float("inf"), "document": {}}), msgpack.packb({"version": 1, "document": 5}),
    msgpack.packb({"version": 1, "document": {}})[:-1], msgpack.packb({"version": 1, "document": {}}) + b"x",
])
def test_a_file_that_is_no_snapshot_counts_as_none(tmp_path, content):
    (tmp_path / "rules.snapshot").write_bytes(content)
    with capture_logs() as logs:
        assert snapshot.load(tmp_path / "rules.snapshot") is None
    assert [line["event"] for line in logs] == ["snapshot_unreadable"]
