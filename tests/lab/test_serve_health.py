"""`/healthz` of `fsapp serve` says what a real Redis does not do, though no call comes; and when it is over."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_centre import Centre
from lab_ends import until


@pytest.fixture
def centre(own_redis: Any, tmp_path: Path) -> Iterator[Centre]:
    centre = Centre(own_redis(), tmp_path)
    centre.start_serve()
    yield centre
    centre.close()


def health(centre: Centre) -> tuple[int, list[str]]:
    try:
        return 200, json.loads(centre.get("/healthz"))["faults"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["faults"]


@pytest.mark.parametrize(("name", "bad", "good", "said"), [
    ("maxmemory", "1", "0", "is full: raise its maxmemory, or remove what is not needed"),
    ("min-replicas-to-write", "1", "0", "takes no writes without its replicas (min-replicas-to-write): start them"),
])
def test_a_redis_that_takes_no_writes(centre: Centre, name: str, bad: str, good: str, said: str) -> None:
    assert health(centre) == (200, [])
    centre.client.config_set(name, bad)
    status, faults = health(centre)
    assert (status, len(faults)) == (503, 1)
    assert f"{said}; meanwhile events wait here, and no callback is noted" in faults[0]
    centre.client.config_set(name, good)
    assert health(centre) == (200, [])


def test_a_redis_that_has_become_a_replica(centre: Centre) -> None:
    centre.client.replicaof("127.0.0.1", "1")
    status, faults = health(centre)
    assert status == 503
    assert any("is a read-only replica" in fault for fault in faults)
    centre.client.replicaof("NO", "ONE")
    until(lambda: health(centre) == (200, []), "it is healthy again")


def test_a_redis_that_is_gone(centre: Centre) -> None:
    centre.redis.stop()
    assert health(centre) == (503, ["Redis does not answer: calls are decided without contacts"])
    centre.redis.start()
    until(lambda: health(centre)[1] != ["Redis does not answer: calls are decided without contacts"], "it is back")


def test_a_redis_that_cannot_save_to_its_disk(centre: Centre, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    centre.client.config_set("save", "3600 1")
    centre.client.config_set("dir", str(folder))
    folder.rmdir()
    centre.client.bgsave()
    until(lambda: health(centre)[0] == 503, "it is said")
    assert any("cannot save to its disk and takes no writes" in fault for fault in health(centre)[1])
    centre.client.config_set("dir", str(tmp_path))
    centre.client.bgsave()
    until(lambda: health(centre) == (200, []), "it is healthy again")
