from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from web_ends import Asker, make_token, start_web

from fsapp.app.web import WebProcess


@pytest.fixture
def web(database_url: str, redis_server: Any, tmp_path: Path) -> Iterator[WebProcess]:
    """`fsapp web` with an empty memory, of each kind in turn."""
    process = start_web(database_url, redis_server, tmp_path)
    yield process
    process.stop()


@pytest.fixture
def asker(web: WebProcess) -> Iterator[Callable[..., Asker]]:
    """Somebody who asks: `asker("write")` with a new token that may, `asker(None)` with none."""
    made: list[Asker] = []

    def make(may: str | None, name: str = "") -> Asker:
        made.append(Asker(web, None if may is None else make_token(web, may, name)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def admin(asker: Callable[..., Asker]) -> Asker:
    return asker("admin", "the-test")
