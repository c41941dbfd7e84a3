"""What the routes work with: the memory, Redis, the rules, who may ask. Made by fsapp.app.web; does nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import redis
from flask import current_app

from fsapp.core.rules import Rules
from fsapp.core.tag_model import TagModel
from fsapp.errors import RulesError
from fsapp.records.database import Database
from fsapp.web.limits import Limits
from fsapp.web.looks import Looks
from fsapp.web.pop_reading import PopReader
from fsapp.web.pops import Pops
from fsapp.web.token_book import TokenBook

__all__ = ["NAME", "Parts", "parts"]

NAME = "fsapp"


@dataclass(frozen=True)
class Parts:
    """`rules` says which rules are in force, None while none are known; `tag_model` what has been learnt of tags."""

    database: Database
    client: redis.Redis
    rules: Callable[[], Rules | None]
    tokens: TokenBook
    limits: Limits
    pop_reader: PopReader
    pops: Pops
    looks: Looks
    tag_model: Callable[[], TagModel | None] = lambda: None

    def need_rules(self) -> Rules:
        """RulesError where there are none."""
        rules = self.rules()
        if rules is None:
            raise RulesError("no rules are loaded: run `fsapp rules load`")
        return rules

    @property
    def region(self) -> str:
        """The centre's, by which numbers are read. RulesError."""
        return self.need_rules().region


def parts() -> Parts:
    """Those of the application that answers this request."""
    found: Parts = current_app.extensions[NAME]
    return found
