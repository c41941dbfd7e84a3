"""`fsapp followups run` put together of its parts, started and stopped. Decides nothing itself."""

from __future__ import annotations

import os

import gevent
from gevent.event import Event

from fsapp.core.rules import Rules
from fsapp.followups.delivering import Delivering
from fsapp.followups.looking import Looking
from fsapp.followups.mail import Mailer
from fsapp.followups.sending import Sending
from fsapp.followups.tasks import TaskMaker
from fsapp.followups.webhook import Poster
from fsapp.health import HealthServer
from fsapp.log import get_logger
from fsapp.metrics import RULES_VERSION
from fsapp.records.database import Database
from fsapp.settings import Settings
from fsapp.spawn import spawn
from fsapp.state.batch import RulesWatcher
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore, RulesVersion

__all__ = ["FollowupsProcess"]

_PATIENT_S = 2.0
_STATEMENT_S = 20  # well within the time for which a delivery is held
_OF_DRAIN = 0.8
_log = get_logger("followups")


class FollowupsProcess:
    """`fsapp followups run`. Waits for Redis, rules and database that are away; any number may run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        client = connect(settings, max(_PATIENT_S, settings.redis_timeout_s))
        self._database = Database(settings.database_url, statement_s=_STATEMENT_S)
        self.rules: Rules | None = None
        self._watcher = RulesWatcher(RulesStore(client), self._take_rules)
        sending = Sending(
            lambda: self.rules, Poster(), Mailer(settings.smtp_url, settings.mail_from), TaskMaker(client), os.environ)
        self._delivering = Delivering(self._database, sending)
        self._looking = Looking(self._database, lambda: self.rules, self._delivering.wake)
        self.health = HealthServer(settings.followups_http, self._faults, "FSAPP_FOLLOWUPS_HTTP")
        self._stopped = Event()
        self._fault: BaseException | None = None

    def start(self) -> None:
        """ListenError when `followups_http` cannot be had."""
        self.health.start()
        _log.info("starting", http=f"{self.health.address[0]}:{self.health.address[1]}", database=self._database.where)
        self._watcher.start()
        self._looking.start(self._failed)
        self._delivering.start(self._failed)

    def run(self) -> None:
        """Until `stop`; raises what has made going on impossible."""
        self._stopped.wait()
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Finish what is in hand, as far as there is time."""
        _log.info("stopping")
        try:
            with gevent.Timeout(self._settings.drain_s, False):
                self.health.stop()
                self._watcher.stop()
                self._looking.stop(self._settings.drain_s * _OF_DRAIN)
                self._delivering.stop(self._settings.drain_s * _OF_DRAIN)
            self._database.close()
        finally:
            self._stopped.set()

    def stop_soon(self) -> None:
        """For a signal handler: stop in a greenlet of its own."""
        spawn(self.stop, name="stop").link_exception(lambda _greenlet: self._stopped.set())

    def _failed(self, greenlet: gevent.Greenlet) -> None:
        """A part has died: end, to be started again whole."""
        self._fault = self._fault or greenlet.exception
        self.stop_soon()

    def _take_rules(self, loaded: RulesVersion) -> None:
        self.rules = loaded.rules()
        RULES_VERSION.set(loaded.version)
        _log.info("rules_in_force", version=loaded.version, after=len(self.rules.follow.after))

    def _faults(self) -> list[str]:
        faults = [fault for fault in (self._looking.fault, self._delivering.fault) if fault]
        if self.rules is None:
            faults.append("no rules are loaded: run `fsapp rules load`")
        return list(dict.fromkeys(faults))
