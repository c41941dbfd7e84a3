"""`fsapp link` put together of its parts, started and stopped. Decides nothing itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import gevent
from gevent.event import Event

from fsapp.core.floor import Seen
from fsapp.core.rules import MAIN, Rules
from fsapp.errors import FsappError, SettingsError, StateUnavailable
from fsapp.health import HealthServer
from fsapp.link import agent_status
from fsapp.link.callbacks import Callbacks
from fsapp.link.flow_calls import FlowCalls
from fsapp.link.kept import KeptFloor
from fsapp.link.looks import Looks
from fsapp.link.recordings import PauseRequests, Retention
from fsapp.link.requests import Requests
from fsapp.link.talks import Talks
from fsapp.link.task_keeping import TaskKeeping
from fsapp.link.telling import WaitTeller
from fsapp.link.waits import Waits
from fsapp.link.watch import Watch
from fsapp.log import get_logger
from fsapp.metrics import RULES_VERSION
from fsapp.settings import Settings, split_address
from fsapp.spawn import spawn
from fsapp.state import keys
from fsapp.state.agents import AgentMemory
from fsapp.state.askers import Askers
from fsapp.state.batch import EventWriter, RulesWatcher
from fsapp.state.connection import check, connect
from fsapp.state.contacts import Contacts
from fsapp.state.customers import Customers
from fsapp.state.erased import Erased
from fsapp.state.floor import FloorWriter, read_floor, read_learned
from fsapp.state.lease import Lease
from fsapp.state.rules import RulesStore, RulesVersion
from fsapp.state.tasks import Tasks
from fsapp.telephony.identity import refuse_another
from fsapp.telephony.link import Link
from fsapp.telephony.reconcile import Reconciler

__all__ = ["LinkProcess"]

_PATIENT_S = 2.0  # nobody on the line waits for what the link asks Redis
_AGAIN_S = 0.5
_STOP_S = 1.0
_SETTLE_S = 1.0
_OF_DRAIN = 0.9  # the process has to end within drain_s
_log = get_logger("link")


class LinkProcess:
    """`fsapp link`: holds the one connection to a switch, and keeps what is known of its floor. SettingsError.

    Requests are handled by `requests.handlers`: name -> function; a feature adds its own before `start`.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.switch_password:
            raise SettingsError("the switch's password is not set: set FSAPP_SWITCH_PASSWORD")
        self._settings = settings
        self._switch = settings.switch_name
        self._client = client = connect(settings, max(_PATIENT_S, settings.redis_timeout_s))
        self.rules: Rules | None = None
        self._unfit = "no rules are loaded: run `fsapp rules load`"
        self._lease = Lease(client, keys.floor(self._switch, "lease"), f"the link to switch {self._switch}")
        self._events = EventWriter(client, length=settings.stream_length, backlog=settings.backlog)
        self._watcher = RulesWatcher(RulesStore(client), self._take_rules)
        self.requests = Requests(client, self._switch, {
            "resync": self._resync, "recording": PauseRequests(lambda: self.watch, self._tell)})
        self._retention = Retention(settings.recordings, lambda: self.rules, self._tell)
        self.health = HealthServer(settings.link_http, self._faults, "FSAPP_LINK_HTTP")
        self.watch: Watch | None = None
        erased = Erased(client)
        tasks = self._tasks = Tasks(client, {"switch": self._switch})
        self._talks = Talks(Customers(client), erased, lambda: self.rules, self._hand_over)
        self._task_keeping = TaskKeeping(
            self._switch, tasks, Askers(client), erased, lambda: self.rules, self._heard)
        self._kept: KeptFloor | None = None
        self._looks: Looks | None = None
        self._waits: Waits | None = None
        self._teller: WaitTeller | None = None
        self._callbacks: Callbacks | None = None
        self._flow_calls: FlowCalls | None = None
        self._watching: gevent.Greenlet | None = None
        self._stopping = Event()
        self._stopped = Event()
        self._fault: BaseException | None = None

    def start(self) -> None:
        """StateRefused when another process has the link, ListenError when `link_http` cannot be had.

        Waits for Redis; without it nobody could know that there is only one link.
        """
        self.health.start()
        _log.info("starting", switch=self._switch, http=f"{self.health.address[0]}:{self.health.address[1]}")
        if not self._take_lease():
            return
        writer = FloorWriter(self._client, self._switch, self._lease.token)
        self._kept = KeptFloor(writer, self._lease, self._failed, self._settle)
        self._events.start()
        floor = read_floor(self._client, self._switch)
        self.watch = Watch(
            self._connected, self._kept, self._tell, sync_s=self._settings.sync_s, known=floor.seen,
            known_at=floor.heard_at,
        )
        self._waits = Waits(writer, self._seen, read_learned(self._client, self._switch))
        self._teller = WaitTeller(self.watch, lambda: self.rules, self._waits.book, self._tell)
        memory = AgentMemory(self._client, self._switch)
        self._callbacks = Callbacks(
            self._switch, self.watch, self._tasks, lambda: self.rules, self._follow_up, self.watch.seen,
            Contacts(self._client).set_attempted)
        self._flow_calls = FlowCalls(
            self._switch, self.watch, self._tasks, lambda: self.rules, self._follow_up)
        self.watch.hearers += [self._callbacks.hear, self._flow_calls.hear]
        self._looks = Looks(self.watch, Reconciler(self._switch, lambda: self.rules, memory, self._tell))
        self.requests.handlers[agent_status.REQUEST] = agent_status.AgentStatusRequests(
            self._switch, self.watch, lambda: self.rules, memory)
        self._watcher.start()
        self.requests.start()
        self._retention.start()
        self._watching = spawn(self._follow, self.watch, name="watch")

    def run(self) -> None:
        """Until `stop`; raises what has made going on impossible."""
        self._stopped.wait()
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Tell everything that is in hand, and let the next link have the switch; in time, whatever Redis does."""
        _log.info("stopping")
        self._stopping.set()
        try:
            with gevent.Timeout(self._settings.drain_s * _OF_DRAIN, False):
                self._stop_parts()
        finally:
            self._stopped.set()

    def _stop_parts(self) -> None:
        self.health.stop()
        self._watcher.stop()
        self.requests.stop()
        if self.watch is not None and self._watching is not None:
            self.watch.stop()
            self._watching.join(_STOP_S)
            self._watching.kill(timeout=1)
        if self._looks is not None:
            self._looks.stop()
        if self._callbacks is not None:
            self._callbacks.stop()
        if self._flow_calls is not None:
            self._flow_calls.stop()
        self._talks.stop(_STOP_S)
        self._task_keeping.stop(_STOP_S)
        if self._teller is not None:
            self._teller.stop()
        if self._waits is not None:
            self._waits.stop()
        self._events.close(timeout=_STOP_S)
        if self._kept is not None:
            self._kept.stop()

    def stop_soon(self) -> None:
        """For a signal handler: stop in a greenlet of its own."""
        spawn(self.stop, name="stop").link_exception(lambda _greenlet: self._stopped.set())

    def _follow(self, watch: Watch) -> None:
        try:
            watch.run()
        except FsappError as error:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        """Going on would be wrong: stop, and end with this error."""
        if self._fault is None and not self._stopping.is_set():
            self._fault = error
            self.stop_soon()

    def _take_lease(self) -> bool:
        fault = ""
        while not self._stopping.is_set():
            try:
                check(self._client)
                return self._lease.acquire(self._stopping.wait)
            except StateUnavailable as error:
                if str(error) != fault:
                    fault = str(error)
                    _log.error("redis_lost", error=fault, meanwhile="waiting: without Redis there may be a second link")
                self._stopping.wait(_AGAIN_S)
        return False

    def _connected(self) -> Link:
        link = Link(*split_address(self._settings.switch), self._settings.switch_password)
        link.connect()
        try:
            refuse_another(link, self._switch, self._settings.switch)
        except BaseException:
            link.close()
            raise
        return link

    def _take_rules(self, loaded: RulesVersion) -> None:
        """Rules that do not know this switch are not for it: by them all of its agents would be left over."""
        rules = loaded.rules()
        known = list(rules.switches) or [MAIN]
        RULES_VERSION.set(loaded.version)
        self.rules, self._unfit = rules, ""
        if self._switch not in known:
            self.rules = None
            self._unfit = (f"the rules know no switch {self._switch}, only {', '.join(known)}: nothing is mended: "
                           "set FSAPP_SWITCH_NAME")
            _log.error("switch_unknown", version=loaded.version, error=self._unfit)
            return
        _log.info("rules_in_force", version=loaded.version)
        if self.watch is not None:
            self.watch.ask_for_sync("rules")

    def _settle(self) -> bool:
        """Wait until what follows from the facts told so far is written, and they are; whether all that is so."""
        return all(part.settle(_SETTLE_S) for part in (self._talks, self._task_keeping, self._events))

    def _tell(self, fact: dict[str, Any]) -> None:
        self._events.hand_over({"switch": self._switch, **fact})
        self._follow_up(fact)

    def _hand_over(self, fact: dict[str, Any]) -> None:
        self._events.hand_over({"switch": self._switch, **fact})
        self._heard(fact)

    def _follow_up(self, fact: dict[str, Any]) -> None:
        """Of what is in the stream already, or will be."""
        self._heard(fact)
        self._talks.hear(fact)
        self._task_keeping.hear(fact)

    def _heard(self, fact: dict[str, Any]) -> None:
        if self._waits is not None:
            self._waits.heard(fact)
        if self._teller is not None:
            self._teller.heard(fact)

    def _seen(self) -> Seen:
        return self.watch.seen if self.watch is not None else Seen()

    def _resync(self, what: Mapping[str, Any]) -> Mapping[str, Any]:
        """The request `resync`: read everything from the switch now."""
        watch = self.watch
        if watch is None or not watch.up:
            raise FsappError("the link has no connection to the switch: " + (watch.fault if watch else "starting"))
        started = time.monotonic()
        if not watch.wait_for_sync("asked", float(what.get("patience_s", 5))):
            raise FsappError("the switch did not answer in time: see the log of the link")
        seen = watch.seen
        return {
            "took_s": round(time.monotonic() - started, 3), "agents": len(seen.agents), "queues": len(seen.queues),
            "members": len(seen.members), "calls": len(seen.calls),
        }

    def _faults(self) -> list[str]:
        faults = []
        if self.watch is None:
            faults.append("waiting for Redis, or for another link to end")
        elif not self.watch.up:
            faults.append(f"no link to the switch: {self.watch.fault}")
        if self._kept is not None and self._kept.fault:
            faults.append(f"Redis does not take the floor: {self._kept.fault}")
        if self._talks.fault:
            faults.append(f"Redis does not take what was talked: {self._talks.fault}")
        if self._callbacks is not None and self._callbacks.fault:
            faults.append(f"nobody is called back: {self._callbacks.fault}")
        if self._flow_calls is not None and self._flow_calls.fault:
            faults.append(f"nobody is called for a survey: {self._flow_calls.fault}")
        if self._task_keeping.fault:
            faults.append(f"Redis does not take tasks of lost calls: {self._task_keeping.fault}")
        if self._unfit:
            faults.append(self._unfit)
        return faults
