"""Versions of the rules in Redis: loaded whole, numbered, kept. Checks no rules; what is given is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgpack
import redis

from fsapp.core.rules import Rules
from fsapp.errors import StateRefused
from fsapp.log import get_logger
from fsapp.state import keys, scripts
from fsapp.state.connection import address, redis_faults

__all__ = ["RulesStore", "RulesVersion"]

_log = get_logger("state")


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """One loaded version. `loaded_at` is an aware UTC time, `source` says where it came from (a folder, a version)."""

    version: int
    document: dict[str, Any]
    loaded_at: datetime
    author: str
    note: str
    source: str

    def rules(self) -> Rules:
        """The rules of this version. StateRefused if its document is another program's, or garbage."""
        try:
            return Rules.from_document(self.document, self.version)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise StateRefused(
                f"version {self.version} of the rules in Redis is not for this fsapp ({error!r}): "
                "run `fsapp rules load`"
            ) from None


class RulesStore:
    """The rules' versions. Every method raises StateUnavailable or StateRefused when Redis does not do it."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._load = client.register_script(scripts.LOAD_RULES)

    def current_version(self) -> int:
        """The version in force; 0 when none has been loaded."""
        with redis_faults(self.client):
            value = self.client.get(keys.RULES_CURRENT)
        try:
            return int(value or 0)
        except ValueError:
            raise StateRefused(
                f"Redis at {address(self.client)} holds something else under {keys.RULES_CURRENT}: "
                "is this the Redis of another program?"
            ) from None

    def current(self) -> RulesVersion | None:
        """The version in force with its document, None when none has been loaded."""
        version = self.current_version()
        return self.get(version) if version else None

    def get(self, version: int) -> RulesVersion | None:
        """One version, None if it never was or is no longer kept."""
        return self._get([version], needed=version)[0]

    def history(self, limit: int = 50) -> list[RulesVersion]:
        """The last `limit` versions that are kept, newest first; an earlier one that cannot be read is left out."""
        newest = self.current_version()
        wanted = list(range(newest, max(newest - min(limit, keys.KEPT_VERSIONS), 0), -1))
        return [found for found in self._get(wanted, needed=newest) if found is not None] if wanted else []

    def load(self, document: dict[str, Any], note: str, author: str, source: str) -> RulesVersion:
        """Store `document` as the next version and put it in force, in one step; nothing changes when that fails."""
        loaded_at = datetime.now(UTC)
        blob = msgpack.packb([document, loaded_at.timestamp(), author, note, source])
        with redis_faults(self.client):
            version = self._load(keys=[keys.RULES_CURRENT, keys.RULES_VERSIONS], args=[blob, keys.KEPT_VERSIONS])
        return RulesVersion(int(version), document, loaded_at, author, note, source)

    def _get(self, versions: list[int], needed: int) -> list[RulesVersion | None]:
        with redis_faults(self.client):
            blobs = self.client.hmget(keys.RULES_VERSIONS, [str(version) for version in versions])
        found: list[RulesVersion | None] = []
        for version, blob in zip(versions, blobs, strict=True):
            try:
                found.append(self._decode(version, blob))
            except StateRefused as error:
                if version == needed:
                    raise
                _log.warning("version_unreadable", version=version, error=str(error))
        return found

    def _decode(self, version: int, blob: bytes | None) -> RulesVersion | None:
        if blob is None:
            return None
        try:
            document, loaded_at, author, note, source = msgpack.unpackb(blob)
            if not isinstance(document, dict):
                raise ValueError("not a document")
            return RulesVersion(version, document, datetime.fromtimestamp(loaded_at, UTC), author, note, source)
        except (ValueError, TypeError, OverflowError, OSError, msgpack.UnpackException):
            raise StateRefused(
                f"version {version} of the rules in Redis at {address(self.client)} cannot be read: "
                "run `fsapp rules load`"
            ) from None
