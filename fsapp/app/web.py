"""`fsapp web` put together of its parts, started and stopped. Decides nothing itself."""

from __future__ import annotations

from gevent.event import Event

from fsapp.core.rules import Rules
from fsapp.errors import FsappError, RecordsError
from fsapp.health import HealthServer
from fsapp.log import get_logger
from fsapp.lookup import Lookup
from fsapp.metrics import RULES_VERSION
from fsapp.records.database import Database
from fsapp.records.versions import refuse_outdated
from fsapp.settings import Settings
from fsapp.spawn import spawn
from fsapp.state import snapshot
from fsapp.state.batch import RulesWatcher
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore, RulesVersion
from fsapp.tagging import ModelFile
from fsapp.web.application import make
from fsapp.web.limits import Limits
from fsapp.web.looks import Looks
from fsapp.web.parts import Parts
from fsapp.web.pop_reading import PopReader
from fsapp.web.pops import Pops
from fsapp.web.server import WebServer
from fsapp.web.token_book import TokenBook

__all__ = ["WebProcess"]

_PATIENT_S = 2.0
_CONNECTIONS = 10
_STATEMENT_S = 10  # who asks over HTTP has gone by then
_BURST_S = 4.0  # what may come at once, as seconds of the rate
_log = get_logger("web")


class WebProcess:
    """`fsapp web`: the API over HTTP. It starts without Redis and without the memory, and says so when asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connect(settings, max(_PATIENT_S, settings.redis_timeout_s))
        self._database = Database(settings.database_url, threads=_CONNECTIONS, statement_s=_STATEMENT_S)
        self._watcher = RulesWatcher(RulesStore(self._client), self._take_rules)
        self._stopped = Event()
        self.rules: Rules | None = None
        self._pops = Pops(self._client)
        self._looks = Looks(self._database)
        reader = PopReader(self._database, self._client, lambda: self.rules, Lookup(), settings.pop_lookup,
                           settings.pop_lookup_s)
        self.parts = Parts(
            database=self._database, client=self._client, rules=lambda: self.rules, tokens=TokenBook(self._database),
            limits=Limits(settings.web_rate, max(1.0, settings.web_rate * _BURST_S)), pop_reader=reader,
            pops=self._pops, looks=self._looks, tag_model=ModelFile(settings.tag_model))
        self.server = WebServer(settings.web_listen, make(self.parts), "FSAPP_WEB_LISTEN")
        self.health = HealthServer(settings.web_http, self._faults, "FSAPP_WEB_HTTP")

    def start(self) -> None:
        """ListenError when an address cannot be had."""
        self._restore_rules()
        self._watcher.start()
        for fault in self._faults():
            _log.error("web_unfit", error=fault)
        self._pops.start()
        self._looks.start()
        self.health.start()
        self.server.start()
        _log.info("web_up", listen="{}:{}".format(*self.server.address), http="{}:{}".format(*self.health.address))

    def run(self) -> None:
        """Serve until `stop`."""
        self._stopped.wait()

    def stop(self) -> None:
        """Take nothing new, let what runs end, in `drain_s`."""
        _log.info("stopping")
        self._pops.stop()
        self.server.stop(self._settings.drain_s)
        self._looks.stop()
        self._watcher.stop()
        self.health.stop()
        self._database.close()
        self._stopped.set()

    def stop_soon(self) -> None:
        """For a signal handler: stop in a greenlet of its own."""
        spawn(self.stop, name="stop").link_exception(lambda _greenlet: self._stopped.set())

    def _restore_rules(self) -> None:
        kept = snapshot.load(self._settings.snapshot)
        if kept is not None:
            version, document = kept
            try:
                self.rules = Rules.from_document(document, version)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                _log.warning("snapshot_unreadable", path=self._settings.snapshot, error=repr(error))

    def _take_rules(self, loaded: RulesVersion) -> None:
        self.rules = loaded.rules()
        RULES_VERSION.set(loaded.version)
        _log.info("rules_in_force", version=loaded.version)

    def _faults(self) -> list[str]:
        faults = [] if self.rules is not None else ["no rules are loaded: run `fsapp rules load`"]
        if self._pops.fault:
            faults.append(f"no pops: {self._pops.fault}")
        try:
            refuse_outdated(self._database, _PATIENT_S)
        except RecordsError as error:
            faults.append(str(error))
        except FsappError as error:
            faults += error.faults
        return faults
