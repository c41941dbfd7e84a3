"""What the switch's Python finds of fsapp, for `fsapp doctor`. Decides no call and changes nothing."""

from __future__ import annotations

import json
import platform
from typing import Any

from fsapp import __version__
from fsapp.errors import StateError
from fsapp.inswitch.config import read
from fsapp.state import snapshot
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore

__all__ = ["report"]


def report(freeswitch: Any) -> str:
    """One JSON object: version, python, rules (version in Redis), snapshot (version there), redis (its fault)."""
    config = read(freeswitch)
    rules, fault = 0, ""
    try:
        client = connect(config)
        try:
            rules = RulesStore(client).current_version()
        finally:
            client.close()
    except StateError as error:
        fault = str(error)
    kept = snapshot.load(config.snapshot)
    return json.dumps({
        "version": __version__, "python": platform.python_version(), "rules": rules, "redis": fault,
        "snapshot": kept[0] if kept else 0,
    })
