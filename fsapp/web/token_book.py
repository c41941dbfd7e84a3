"""The tokens as they were a moment ago, so that not every request asks the memory for them. Makes and removes none."""

from __future__ import annotations

import time
from collections.abc import Callable

from fsapp.errors import RecordsError
from fsapp.log import get_logger
from fsapp.records import tokens
from fsapp.records.database import Database
from fsapp.records.tokens import Token

__all__ = ["TokenBook"]

KEPT_S = 2.0  # a token that was removed is refused after so long
_LIMIT_S = 2.0
_log = get_logger("web")


class TokenBook:
    """While the memory is away those last read are gone by: nobody can remove one either."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._by_hash: dict[str, Token] | None = None
        self._read_at = 0.0

    def find(self, text: str) -> Token | None:
        """The token with this text. RecordsError where they were never read, and cannot be."""
        now = self._clock()
        if self._by_hash is None or now - self._read_at > KEPT_S:
            self._read_at = now  # first: the others need not wait for a memory that does not answer
            try:
                found = self._database.read(tokens.listed, limit_s=_LIMIT_S)
                self._by_hash = {token.hash: token for token in found}
            except RecordsError as error:
                if self._by_hash is None:
                    raise
                _log.warning("tokens_unread", error=str(error))
        return self._by_hash.get(tokens.hashed(text))
