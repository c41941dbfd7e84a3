"""Where a script inside the switch finds Redis, the snapshot and its switch's name. Opens none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsapp
from fsapp.core.rules import MAIN

__all__ = ["Config", "read"]

_DEFAULTS = {
    "redis_url": "redis://127.0.0.1:6379/0",
    "snapshot": str(Path(fsapp.__file__).resolve().parents[1] / "var/rules.snapshot"),
    "switch": MAIN,
}


@dataclass(frozen=True, slots=True)
class Config:
    """`redis_timeout_s` is for who says nothing else; what a call may wait in all is the caller's to say."""

    redis_url: str
    snapshot: str
    switch: str
    redis_timeout_s: float = 0.1


def read(freeswitch: Any, environ: Mapping[str, str] = os.environ) -> Config:
    """FSAPP_REDIS_URL and FSAPP_SNAPSHOT, else the switch's variables fsapp_redis_url and fsapp_snapshot, else where
    `fsapp serve` has them when it runs in the project's folder; the switch's name is its variable fsapp_switch.

    `freeswitch` is the module that mod_python3 gives its scripts.
    """
    api = freeswitch.API()

    def variable(name: str) -> str:
        return api.execute("global_getvar", f"fsapp_{name}").strip() or _DEFAULTS[name]

    return Config(
        environ.get("FSAPP_REDIS_URL") or variable("redis_url"), environ.get("FSAPP_SNAPSHOT") or variable("snapshot"),
        variable("switch"),
    )
