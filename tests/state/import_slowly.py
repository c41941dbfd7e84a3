"""Imports contacts forever, a page at a time, until it is killed: what `test_imports` kills half way."""

import sys

from fsapp.settings import Settings
from fsapp.state.connection import connect
from fsapp.state.contacts import Entry
from fsapp.state.imports import Import


def main(url: str, stage_id: str, first: int) -> None:
    client = connect(Settings(redis_url=url, redis_timeout_s=5))
    with Import(client, stage_id) as bulk:
        for page in range(10_000):
            bulk.write([(f"+3816{first + page * 20 + place:08d}", Entry(name="new")) for place in range(20)])
            print(page, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
