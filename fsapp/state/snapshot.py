"""The last good rules in a file, for a start while Redis is away. Written whole or not at all; checks nothing."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack

from fsapp.log import get_logger

__all__ = ["load", "save"]

_log = get_logger("snapshot")


def save(path: str | os.PathLike[str], version: int, document: dict[str, Any]) -> None:
    """Replace the snapshot at `path`; a file that cannot be written is logged and changes nothing."""
    path = Path(path)
    content = msgpack.packb({"version": version, "document": document, "saved_at": datetime.now(UTC).isoformat()})
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            # The scripts inside the switch read it as the switch's user.
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        _log.warning("snapshot_not_saved", path=str(path), error=str(error))
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> tuple[int, dict[str, Any]] | None:
    """Version and document of the snapshot at `path`; None when there is none that can be read."""
    try:
        content = msgpack.unpackb(Path(path).read_bytes())
        return int(content["version"]), dict(content["document"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, msgpack.UnpackException) as error:
        _log.warning("snapshot_unreadable", path=str(path), error=str(error))
        return None
