"""`fsapp serve` put together of its parts, started and stopped. Decides nothing itself."""

from __future__ import annotations

from typing import Any

import gevent
from gevent.event import Event

from fsapp.app.asking import Begun, Requests
from fsapp.core.rules import Rules
from fsapp.errors import StateError, StateRefused, StateUnavailable
from fsapp.health import HealthServer
from fsapp.log import get_logger
from fsapp.lookup import Lookup
from fsapp.metrics import RULES_VERSION
from fsapp.settings import Settings, split_address
from fsapp.spawn import spawn
from fsapp.state import snapshot
from fsapp.state.askers import Askers
from fsapp.state.batch import EventWriter, FactsReader, RulesWatcher
from fsapp.state.connection import check, connect, write_probe
from fsapp.state.erased import Erased
from fsapp.state.rules import RulesStore, RulesVersion
from fsapp.state.store import Store
from fsapp.state.tasks import Tasks
from fsapp.state.wire import Wire
from fsapp.telephony.flow_runner import FlowRunner
from fsapp.telephony.handler import Visits
from fsapp.telephony.server import Server

__all__ = ["Serve"]

_log = get_logger("serve")
_SILENT = "Redis does not answer: calls are decided without contacts"
_HELD = "meanwhile events wait here, and no callback is noted"


class RulesInForce:
    """The rules calls are decided by right now: swapped whole between two calls, and kept in the snapshot."""

    def __init__(self, path: str, store: Store) -> None:
        self._path = path
        self._store = store
        self._kept: tuple[int, dict[str, Any]] | None = None
        self.rules: Rules | None = None

    def restore(self) -> None:
        """Start with the snapshot of an earlier run, until Redis says better."""
        kept = snapshot.load(self._path)
        if kept is None:
            return
        version, document = kept
        try:
            self._swap(Rules.from_document(document, version))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            _log.warning("snapshot_unreadable", path=self._path, error=repr(error))
        else:
            self._kept = kept

    def take(self, loaded: RulesVersion) -> None:
        """Put a version in force, unless it is what the snapshot brought; keep it for the next start."""
        found = (loaded.version, loaded.document)
        if found == self._kept:
            return
        self._swap(loaded.rules())
        self._kept = found
        # In a thread: the disk may take its time, and the calls share this one with the watcher.
        gevent.get_hub().threadpool.apply(snapshot.save, (self._path, *found))

    def _swap(self, rules: Rules) -> None:
        self.rules = rules
        self._store.switches = rules.switch_names
        RULES_VERSION.set(rules.version)
        _log.info("rules_in_force", version=rules.version, numbers=len(rules.numbers))


class Serve:
    """`fsapp serve`: awaits the switch's outbound sockets and decides. ListenError from `start`."""

    def __init__(self, settings: Settings) -> None:
        client = self._client = connect(settings)
        store = Store(client, Wire(client))
        self._settings = settings
        self._in_force = RulesInForce(settings.snapshot, store)
        self._facts = FactsReader(store, timeout_s=settings.redis_timeout_s)
        self._events = EventWriter(
            client, length=settings.stream_length, backlog=settings.backlog, timeout_s=settings.redis_timeout_s,
        )
        self._watcher = RulesWatcher(RulesStore(client), self._in_force.take)
        self._stopped = Event()
        tasks = Tasks(client, {})
        requests = Requests(tasks, Askers(client), Erased(client))
        flows = FlowRunner(self._events.write, Lookup(), requests, self._rules_of)
        visits = Visits(
            self._facts.facts, self._events.write, lambda: self._in_force.rules, flows, Begun(tasks))
        self.server = Server(
            split_address(settings.listen), visits, max_visits=settings.max_visits,
            first_word_s=settings.first_word_s, visit_s=settings.visit_s, drain_s=settings.drain_s,
        )
        self.health = HealthServer(settings.http, self._faults)

    def start(self) -> None:
        self._in_force.restore()
        self._facts.start()
        self._events.start()
        self._watcher.start()
        self._look_at_redis()
        # The first call is taken when everything it needs is there.
        self.health.start()
        self.server.start()
        _log.info("serving", listen=_text(self.server.address), http=_text(self.health.address))

    def _look_at_redis(self) -> None:
        """Say what is wrong with a Redis that answers; one that does not is said by who asks it."""
        try:
            check(self._client)
        except StateRefused as error:
            _log.error("redis_unfit", error=str(error))
        except StateUnavailable:
            return

    def _rules_of(self, version: int) -> Rules | None:
        """The rules that a caller came into a flow with, who was there when another process ended."""
        try:
            found = RulesStore(self._client).get(version)
            return found.rules() if found else None
        except StateError as error:
            _log.warning("version_unreadable", version=version, error=str(error))
            return None

    def run(self) -> None:
        """Serve until `stop`."""
        self._stopped.wait()

    def stop(self) -> None:
        """Take no new call, let running visits finish, hand over every event in hand."""
        _log.info("stopping")
        self.server.stop(drain=True)
        self._watcher.stop()
        self._events.close(timeout=self._settings.drain_s)
        self._facts.stop()
        self.health.stop()
        self._stopped.set()

    def stop_soon(self) -> None:
        """For a signal handler: stop in a greenlet of its own."""
        spawn(self.stop, name="stop").link_exception(lambda _greenlet: self._stopped.set())

    def _faults(self) -> list[str]:
        faults = []
        if self._in_force.rules is None:
            faults.append("no rules are loaded: run `fsapp rules load`")
        silent = not self._facts.up
        try:
            write_probe(self._client)
        except StateUnavailable:
            silent = True
        except StateRefused as error:
            faults.append(f"{error}; {_HELD}")
        if silent:
            faults.append(_SILENT)
        return faults


def _text(address: tuple[Any, ...]) -> str:
    return f"{address[0]}:{address[1]}"
