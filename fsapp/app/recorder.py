"""`fsapp recorder` put together of its parts, started and stopped. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent.event import Event

from fsapp.app.retention import daily
from fsapp.core.clean import clean_number
from fsapp.core.numbers import normalise
from fsapp.errors import FsappError, RecordsUnavailable, StateRefused, StateUnavailable
from fsapp.health import HealthServer
from fsapp.log import get_logger
from fsapp.recorder.contacts import ContactMirror
from fsapp.recorder.loop import Recorder
from fsapp.records import versions
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.settings import Settings
from fsapp.spawn import spawn
from fsapp.state import keys
from fsapp.state.batch import RulesWatcher
from fsapp.state.connection import check, connect
from fsapp.state.contact_pages import ContactPages
from fsapp.state.group import GroupReader
from fsapp.state.lease import Lease
from fsapp.state.rules import RulesStore, RulesVersion

__all__ = ["RecorderProcess"]

_PATIENT_S = 5.0
_AGAIN_S = 0.5
_RENEW_S = 2.0
_OF_DRAIN = 0.9
_NOWHERE = "ZZ"  # a region of no numbers: until there are rules, only those with a plus are understood
_log = get_logger("recorder")


class RecorderProcess:
    """`fsapp recorder`: brings the event stream into the memory. One at a time, another stands by."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = client = connect(settings, max(_PATIENT_S, settings.redis_timeout_s))
        self._lease = Lease(client, keys.RECORDER_LEASE, "the recorder")
        self._region = _NOWHERE
        self._watcher = RulesWatcher(RulesStore(client), self._take_rules)
        self.database = Database(settings.database_url)
        self.contacts = ContactMirror(ContactPages(client), self.database, every_s=settings.contacts_check_s)
        self.recorder = Recorder(
            GroupReader(client), Keeper(self.database, self._number), contacts=self.contacts.bring)
        self.health = HealthServer(settings.recorder_http, lambda: self.recorder.faults, "FSAPP_RECORDER_HTTP")
        self._running: list[gevent.Greenlet] = []
        self._stopping = Event()
        self._stopped = Event()
        self._fault: BaseException | None = None

    def start(self) -> None:
        """RecordsOutdated, ListenError. Waits for Redis, for another recorder to end, and for the database.

        A database with nothing in it gets its tables: there is nothing that could be harmed.
        """
        self.health.start()
        where = f"{self.health.address[0]}:{self.health.address[1]}"
        _log.info("starting", database=self.database.where, http=where)
        if not self._wait_for(self._take_lease, "redis") or not self._wait_for(self._take_database, "database"):
            return
        self._watcher.start()
        self._running = [
            spawn(self._guarded, self.recorder.run, name="recorder"), spawn(self.recorder.watch, name="recorder-watch"),
            spawn(self._renew, name="recorder-lease"), spawn(self._guarded, self.contacts.run, name="contacts"),
            spawn(daily, self._settings, self.database, self._client, self._stopping, name="retention")]
        _log.info("recording")

    def run(self) -> None:
        """Until `stop`; raises what has made going on impossible."""
        self._stopped.wait()
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Finish the batch in hand, in time; what is not finished is written by the next recorder."""
        _log.info("stopping")
        self._stopping.set()
        self.recorder.stop()
        self.contacts.stop()
        try:
            with gevent.Timeout(self._settings.drain_s * _OF_DRAIN, False):
                self._watcher.stop()
                gevent.joinall(self._running)
                self._lease.release()
                self.health.stop()
        except FsappError:
            pass  # the lease runs out by itself
        finally:
            self.database.close()
            self._stopped.set()

    def stop_soon(self) -> None:
        """For a signal handler: stop in a greenlet of its own."""
        spawn(self.stop, name="stop").link_exception(lambda _greenlet: self._stopped.set())

    def _take_lease(self) -> bool:
        check(self._client)
        said = False
        while not self._stopping.is_set():
            try:
                return self._lease.acquire(self._stopping.wait)
            except StateRefused as error:
                if not said:
                    said = True
                    _log.info("standing_by", why=str(error).partition(":")[0])
                self._stopping.wait(_RENEW_S)
        return False

    def _take_database(self) -> bool:
        url = self._settings.database_url
        file = self.database.file
        if (file is not None and not file.exists()) or self.database.read(versions.current) is None:
            made = versions.migrate(url)
            _log.info("database_made", version=made.after)
        versions.refuse_outdated(self.database)
        return True

    def _wait_for(self, take: Callable[[], bool], who: str) -> bool:
        """Try until it is there; False if asked to stop meanwhile."""
        said = False
        while not self._stopping.is_set():
            try:
                return take()
            except (StateUnavailable, RecordsUnavailable) as error:
                if not said:
                    said = True
                    _log.error(f"{who}_lost", error=str(error), meanwhile="waiting")
                self._stopping.wait(_AGAIN_S)
        return False

    def _guarded(self, run: Callable[[], None]) -> None:
        """What nobody foresaw ends the process, which is started again: better than one that records nothing."""
        try:
            run()
        except Exception as error:
            self._failed(error)
            raise

    def _renew(self) -> None:
        while not self._stopping.wait(_RENEW_S):
            try:
                other = self._lease.hold()
            except FsappError:
                continue  # the recorder says that Redis is away
            if other is not None:
                self._failed(self._lease.refusal(other[0]))
                return

    def _failed(self, error: BaseException) -> None:
        if self._fault is None and not self._stopping.is_set():
            self._fault = error
            self.stop_soon()

    def _take_rules(self, loaded: RulesVersion) -> None:
        self._region = loaded.rules().region

    def _number(self, raw: str) -> str:
        return normalise(clean_number(raw), self._region).key or raw
