"""The snapshot of the last good rules: it comes back whole, and garbage in its place stops no start."""

import msgpack
import pytest

from fsapp.state import snapshot


def test_it_comes_back_whole(tmp_path):
    path = tmp_path / "var" / "rules.snapshot"
    snapshot.save(path, 7, {"centre": {"name": "Šabac"}})
    assert snapshot.load(path) == (7, {"centre": {"name": "Šabac"}})
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [
    b"", b"\xc1", b"\x93", msgpack.packb(5), msgpack.packb({"version": 1}),
    msgpack.packb({"version": float("inf"), "document": {}}), msgpack.packb({"version": 1, "document": 5}),
])
def test_garbage_counts_as_none(tmp_path, content):
    path = tmp_path / "rules.snapshot"
    path.write_bytes(content)
    assert snapshot.load(path) is None


def test_a_place_that_cannot_be_written_or_read_costs_nothing(tmp_path):
    (tmp_path / "file").touch()
    snapshot.save(tmp_path / "file" / "rules.snapshot", 1, {})
    assert snapshot.load(tmp_path / "file" / "rules.snapshot") is None
    assert snapshot.load(tmp_path) is None
