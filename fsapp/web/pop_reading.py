"""The pop of one caller put together: the memory's one read, what Redis has, and an outside CRM where one is asked.

Our own data never waits for the outside, and a part that is away is said as a fault: the rest is shown without it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import redis

from fsapp.core.clean import clean_name
from fsapp.core.flow.actions import Answer
from fsapp.core.rules import Rules
from fsapp.errors import FsappError
from fsapp.log import get_logger
from fsapp.lookup import Lookup
from fsapp.metrics import POP_READ_SECONDS
from fsapp.records.database import Database
from fsapp.records.pop import PopRecord, read_pop
from fsapp.records.shapes import interaction_shape, time_shape
from fsapp.state.contacts import Contacts, Entry
from fsapp.state.customers import Customers

__all__ = ["PopReader"]

_NOTHING = PopRecord(None, (), (), (), (), (), None)
_DEEPEST = 20
_LIMIT_S = 2.0  # a pop that comes later than what Redis has alone is of no use
_log = get_logger("pop")


class PopReader:
    """Reads pops. `outside`: the address of a CRM with {number} in it, "" for none; `outside_s` its time limit."""

    def __init__(
        self, database: Database, client: redis.Redis, rules: Callable[[], Rules | None], lookup: Lookup,
        outside: str = "", outside_s: float = 1.5,
    ) -> None:
        self._database = database
        self._contacts = Contacts(client)
        self._customers = Customers(client)
        self._rules = rules
        self._lookup = lookup
        self._outside = outside
        self._outside_s = outside_s

    def read(self, number: str | None, contact: str | None = None, call: str | None = None) -> dict[str, Any]:
        """The pop of a number (E.164; None: withheld) and of the contact that the call carries, as in docs/api.md.

        Never raises what a part that is away would: it stands in `faults`.
        """
        faults: list[str] = []
        record, entries, sticky = _NOTHING, {}, None
        started = time.perf_counter()
        whose = (contact or "").rpartition("/")[2] or number
        if number is not None:
            record = self._try(lambda: self._database.read(
                lambda connection: read_pop(connection, number, contact, call), limit_s=_LIMIT_S), faults) or _NOTHING
        if whose is not None:
            entries, known = self._try(
                lambda: (self._contacts.get(whose), self._customers.get(whose)), faults) or ({}, None)
            sticky = known.sticky if known else None
        POP_READ_SECONDS.observe(time.perf_counter() - started)
        form = _form(contact, entries, record.contact)
        customer = record.customer
        return {
            "number": number, "known": customer is not None,
            "name": (customer or {}).get("name") or (form or {}).get("name") or None,
            "vip": customer["vip"] if customer else 0,
            "customer": customer and {**customer, "fields": customer["fields"] or {}, "numbers": [
                {"number": one["number"], "kind": one["kind"]} for one in record.numbers]},
            "tags": list(record.tags), "tickets": [interaction_shape(one) for one in record.tickets],
            "interactions": [interaction_shape(one) for one in record.interactions],
            "notes": [interaction_shape(one) for one in record.notes],
            "responsible": self._responsible(form, entries, sticky.agent if sticky else None), "contact": form,
            "faults": list(dict.fromkeys(faults)),
        }

    @property
    def asks_outside(self) -> bool:
        return bool(self._outside)

    def outside(self, number: str) -> dict[str, Any]:
        """What the CRM outside says: `state` answered with the `answer`, or in one word why there is none."""
        found = self._lookup(self._outside.replace("{number}", quote(number, safe="")), self._outside_s)
        if not isinstance(found, Answer):
            return {"state": found.why, "answer": None}
        try:
            return {"state": "answered", "answer": _passable(found.document)}
        except ValueError:
            return {"state": "wrong", "answer": None}

    def _try(self, ask: Callable[[], Any], faults: list[str]) -> Any:
        try:
            return ask()
        except FsappError as error:
            faults.append(str(error))
            _log.warning("pop_without", error=type(error).__name__)  # its words may hold a number
            return None

    def _responsible(self, form: Mapping[str, Any] | None, entries: Mapping[str, Entry], sticky: str | None) -> Any:
        """Whose the customer is: by the contact the call carries, else stickiness, else the last contact tried."""
        agent, because = (form or {}).get("agent"), "contact"
        if not agent:
            agent, because = sticky, "stickiness"
        if not agent:
            mine = sorted((entry.attempted_at or 0.0, entry.agent) for entry in entries.values()
                          if entry.open and entry.agent)
            agent, because = (mine[-1][1], "contact") if mine else (None, "")
        rules = self._rules()
        known = rules.agents.get(agent) if rules and agent else None
        return agent and {"agent": agent, "name": known.name if known else None, "because": because}


def _form(contact: str | None, entries: Mapping[str, Entry], kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The contact that the call carries, with its own fields: as Redis has it, else as the memory does."""
    if not contact:
        return None
    stage_id, _, number = contact.rpartition("/")
    campaign, _, stage = stage_id.partition("/")
    entry = entries.get(stage_id)
    if entry is not None:
        return {
            "id": contact, "campaign": campaign, "stage": stage, "number": number, "open": entry.open,
            "name": clean_name(entry.name) or None, "agent": entry.agent, "list": entry.list,
            "due_at": time_shape(entry.due_at), "attempted_at": time_shape(entry.attempted_at), **_known(kept),
            "fields": dict(entry.fields)}
    if kept is not None:
        return {
            "id": contact, "campaign": campaign, "stage": stage, "number": number, "open": kept["state"] == "open",
            "name": kept["name"], "agent": kept["agent"], "list": kept["list"],
            "due_at": time_shape(kept["due_at"]), "attempted_at": time_shape(kept["attempted_at"]), **_known(kept),
            "fields": kept["fields"] or {}}
    return None


def _known(kept: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the memory alone knows of a contact."""
    return {name: kept[name] if kept is not None else None for name in ("attempts", "disposition")}


def _passable(value: Any, deep: int = 1) -> Any:
    """What can be passed on as JSON without harm. ValueError for what cannot."""
    if deep > _DEEPEST or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError
    if isinstance(value, dict):
        return {_passable(name, deep): _passable(one, deep + 1) for name, one in value.items()}
    if isinstance(value, list):
        return [_passable(one, deep + 1) for one in value]
    # Half a character is none in UTF-8.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
