"""One connection to Redis that one greenlet keeps: no pool to go through, and commands that are packed already.

What a client's pool does for each command (take, poll, give back) costs more than the command; a visit is that short.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError, ResponseError

__all__ = ["Wire", "packed"]


def packed(*parts: bytes) -> bytes:
    """A command as it goes over the wire."""
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


class Wire:
    """Asks Redis over a connection of `client`'s pool that it keeps. Not for two greenlets at a time."""

    def __init__(self, client: Redis) -> None:
        self._pool = client.connection_pool
        self._connection: Any = None

    def ask(self, commands: bytes, answers: int = 1) -> list[Any]:
        """The answers to packed commands, sent in one go; that of a refused one is its ResponseError.

        ConnectionError or TimeoutError of the Redis client when Redis does not answer. A connection that Redis has
        closed since is made anew once, so a command may come to Redis twice.
        """
        if self._connection is None:
            self._connection = self._pool.get_connection()
        elif self._connection.is_connected:
            try:
                return self._ask(commands, answers)
            except ConnectionError:
                pass
        return self._ask(commands, answers)

    def mget(self, keys: Iterable[str]) -> list[bytes | None]:
        answer = self.ask(packed(b"MGET", *[key.encode() for key in keys]))[0]
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    def _ask(self, commands: bytes, answers: int) -> list[Any]:
        connection = self._connection
        found: list[Any] = []
        try:
            connection.send_packed_command([commands], check_health=False)
            while len(found) < answers:
                try:
                    found.append(connection.read_response())
                except ResponseError as refused:
                    found.append(refused)
        except BaseException:
            # An answer that nobody reads would be taken for the next command's.
            connection.disconnect()
            raise
        return found
