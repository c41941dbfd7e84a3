"""Customers called back in whole calls: an agent is reserved, the customer dialled, the try written to the task."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from callback_legs import recorded, said
from lab_centre import DOCUMENT, ROOT, Centre
from lab_ends import until

from fsapp.app.link import LinkProcess
from fsapp.core import task_life
from fsapp.core.floor import Seen
from fsapp.core.floor_change import FloorEvent, changed
from fsapp.core.floor_events import apply
from fsapp.core.floor_rows import call_rows
from fsapp.core.placeholder import side_of
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, TaskState, TryOutcome
from fsapp.errors import StateUnavailable
from fsapp.lab.callcenter import Agent, from_rules
from fsapp.lab.cc_load import FILE, written
from fsapp.lab.channel import Channel
from fsapp.lab.clock import Clock
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.offering import Reaction
from fsapp.lab.switch import Switch
from fsapp.link.callbacks import Callbacks
from fsapp.state.customers import Customers
from fsapp.state.floor import read_floor
from fsapp.state.stream import tail
from fsapp.state.tasks import Tasks

CUSTOMER = "+381601234567"
HELPDESK = "+381115550300"


class Calling:
    """The example centre on a lab switch that reaches customers, with `fsapp serve` and a link; nobody is at work."""

    def __init__(
        self, redis_server: Any, folder: Path, *, line: Mapping[str, Any] | None = None, speed: float = 5.0,
        rules: Mapping[str, Any] = DOCUMENT,
    ) -> None:
        document: dict[str, Any] = copy.deepcopy(dict(rules))
        document["centre"] |= {"agent_wait_s": 4, "group_wait_s": 4, "sticky_talk_s": 0, "wrap_up_s": 0}
        document["centre"] |= {"direct_callback": 1}
        document["line"]["helpdesk"] |= line or {}
        self.rules = Rules.from_document(document)
        self.centre = Centre(redis_server, folder, document)
        self.centre.start_serve()
        self.agent = Reaction(after_s=0.2)
        self.customer: Reaction | None = Reaction(after_s=2, talk_s=6)
        self.dialled: list[str] = []
        _, tiers = from_rules(self.rules.queues.values())
        people = [Agent(id_, status="Logged Out") for id_ in self.rules.agents]
        plan = load_dialplan(ROOT / "dialplan", {"fsapp_socket": self.centre.listen, "recordings_dir": str(folder)})
        self.switch = Switch(
            plan, (), people, tiers, clock=Clock(speed), phone=lambda _agent, _call: self.agent,
            xml_handler="fsapp_queues", files={FILE: written((), (), ())}, customer=self._called,
            variables={"fsapp_redis_url": redis_server.url, "fsapp_snapshot": self.centre.snapshot},
        )
        self.switch.start()
        self.socket = EventSocket(self.switch, ("127.0.0.1", 0), "ClueCon")
        self._settings = redis_server.settings.model_copy(update={
            "switch": f"127.0.0.1:{self.socket.address[1]}", "switch_password": "ClueCon", "link_http": "127.0.0.1:0",
            "sync_s": 3600.0,
        })
        self.link = self.start_link()
        self.tasks = Tasks(self.centre.client)
        self.customers = Customers(self.centre.client)

    def _called(self, number: str) -> Reaction:
        self.dialled.append(number)
        return self.customer

    def start_link(self) -> LinkProcess:
        self.link = LinkProcess(self._settings)
        self.link.start()
        until(lambda: self.link.watch is not None and self.link.watch.up, "the link is up")
        return self.link

    def at_work(self, *agents: str, status: str = "Available") -> None:
        for agent in agents:
            self.switch.callcenter.set_status(self.switch.callcenter.agents[agent], status)

    def ask(self, number: str = CUSTOMER, **more: Any) -> str:
        """A callback of the helpdesk that is due; its id."""
        now = datetime.now(UTC)
        given = {
            "id": secrets.token_hex(8), "kind": TaskKind.REQUESTED, "number": number, "place": "helpdesk",
            "due_at": now, "expires_at": now + timedelta(hours=1), "made_at": now, "caller_id": HELPDESK,
            "tries_left": 2, **more,
        }
        task = Task(**given)
        self.tasks.change(number, partial(task_life.made, new=task))
        return task.id

    def task(self, number: str = CUSTOMER) -> Task:
        [task] = self.tasks.of(number)
        return task

    def tried(self, number: str = CUSTOMER) -> Task:
        until(lambda: self.task(number).tries, "the try is written down")
        return self.task(number)

    def standing(self) -> list[Channel]:
        """The calls that stand in a queue."""
        return [member.channel for queue in self.switch.callcenter.queues.values()
                for member in queue.members.values() if member.state == "Waiting"]

    def told(self, type_: str) -> list[dict[str, Any]]:
        return [event for _, event in tail(self.centre.client, 0.0, follow=False) if event["type"] == type_]

    def close(self) -> None:
        self.link.stop()
        self.socket.stop()
        self.switch.stop()
        self.centre.close()


@pytest.fixture
def calling(own_redis: Any, tmp_path: Path) -> Iterator[Callable[..., Calling]]:
    """Makes a Calling; at most one a test."""
    made: list[Calling] = []

    def make(**how: Any) -> Calling:
        made.append(Calling(own_redis(), tmp_path, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_an_agent_is_reserved_and_the_customer_called(calling: Callable[..., Calling]) -> None:
    centre = calling()
    centre.at_work("1004")
    id_ = centre.ask()
    until(lambda: centre.dialled, "the customer is called")
    until(lambda: len(centre.switch.channels) == 4, "agent, customer and the two that hold them together")

    def rows() -> list[dict[str, Any]]:
        found = call_rows([read_floor(centre.centre.client, "main")], centre.rules, datetime.now(UTC))
        return [{name: row[name] for name in ("class", "number", "task", "state")} for row in found]

    until(lambda: rows() == [{"class": "callback", "number": CUSTOMER, "task": id_, "state": "talks"}], "it is shown")
    task = centre.tried()
    assert (task.state, task.call) == (TaskState.DONE, None)
    assert [(one.outcome, one.agent, one.cause) for one in task.tries] == [
        (TryOutcome.TALKED, "1004", "NORMAL_CLEARING")]
    # From when they hear each other: not while it rang, nor while it was said who calls.
    assert 0 < task.tries[0].talked_s < 6
    until(lambda: centre.customers.get(CUSTOMER).sticky, "the customer sticks")
    until(lambda: not centre.switch.channels, "nothing is left")
    assert centre.dialled == [CUSTOMER[1:]]


def test_a_redis_that_stood_still_for_a_moment_keeps_nobody_from_being_called(calling: Callable[..., Calling]) -> None:
    """What took long was waiting, not reading: the link looks again at once, not after twenty times as long."""
    centre = calling()
    centre.at_work("1004")
    centre.centre.redis.stand_still()
    gevent.sleep(2.5)
    centre.centre.redis.go_on()
    centre.ask()
    until(lambda: centre.dialled, "the customer is called")


def test_a_try_is_told_with_the_task_that_it_changes(calling: Callable[..., Calling]) -> None:
    """Whatever becomes of the link, and of what it still has to tell."""
    centre = calling()
    centre.at_work("1004")
    centre.link._events.hand_over = lambda _event: None
    centre.ask()
    task = centre.tried()
    assert [(one["id"], one["result"], one["switch"]) for one in centre.told("attempt")] == [
        (task.tries[0].id, "talked", "main")]
    assert [(one["what"], one["state"]) for one in centre.told("task")] == [("closed", "done")]


def test_nobody_takes_the_place_for_a_caller(calling: Callable[..., Calling]) -> None:
    centre = calling(line={"tell_position": True, "call_back_lost": True})
    centre.at_work("1004")
    id_ = centre.ask()
    centre.tried()
    until(lambda: centre.told("talk_ended"), "the agent's talk has ended")
    for type_ in ("queue_joined", "agent_offered", "call_answered", "talk_ended", "call_routed"):
        assert [event.get("task") for event in centre.told(type_)] == [id_], type_
    assert not centre.told("wait_told")
    assert not centre.told("call_abandoned")
    assert [event["result"] for event in centre.told("attempt")] == ["talked"]
    assert [event["by"] for event in centre.told("stickiness")] == ["attempt"]


@pytest.mark.parametrize(("reaction", "outcome", "cause"), [
    (Reaction("USER_BUSY", 1), TryOutcome.BUSY, "USER_BUSY"),
    (Reaction("CALL_REJECTED", 1), TryOutcome.REJECTED, "CALL_REJECTED"),
    (Reaction("UNALLOCATED_NUMBER"), TryOutcome.UNREACHABLE, "UNALLOCATED_NUMBER"),
    (Reaction("", 300), TryOutcome.NO_ANSWER, "NO_ANSWER"),
    (Reaction("", 1, 0.5), TryOutcome.REJECTED, "NORMAL_CLEARING"),
])
def test_a_customer_who_is_not_reached_is_due_again(
    calling: Callable[..., Calling], reaction: Reaction, outcome: TryOutcome, cause: str,
) -> None:
    centre = calling(speed=10)
    centre.customer = reaction
    centre.at_work("1004")
    centre.ask()
    task = centre.tried()
    assert [(one.outcome, one.cause, one.agent) for one in task.tries] == [(outcome, cause, "1004")]
    assert (task.state, task.tries_left, task.call) == (TaskState.OPEN, 1, None)
    assert task.due_at - task.tries[0].at == timedelta(seconds=600)
    until(lambda: not centre.switch.channels, "nobody is left in silence")
    until(lambda: centre.customers.get(CUSTOMER).rights, "a failed attempt gives a right")


def test_what_fails_on_our_side_uses_up_no_try(calling: Callable[..., Calling]) -> None:
    centre = calling()
    centre.switch.customer = None
    centre.at_work("1004")
    centre.ask()
    task = centre.tried()
    assert [(one.outcome, one.cause) for one in task.tries] == [(TryOutcome.FAILED, "INVALID_GATEWAY")]
    assert (task.state, task.tries_left) == (TaskState.OPEN, 2)
    assert not centre.customers.get(CUSTOMER).rights


def test_an_agent_who_hangs_up_before_the_customer_answers_has_given_up(calling: Callable[..., Calling]) -> None:
    centre = calling()
    centre.agent, centre.customer = Reaction(after_s=0.2, talk_s=2), Reaction("", 20)
    centre.at_work("1004")
    centre.ask()
    task = centre.tried()
    assert [(one.outcome, one.cause) for one in task.tries] == [(TryOutcome.GIVEN_UP, "ORIGINATOR_CANCEL")]
    until(lambda: not centre.switch.channels, "the customer's phone rings no more")


def test_few_stand_in_line_and_the_best_place_is_first(calling: Callable[..., Calling]) -> None:
    centre = calling(speed=20)
    centre.customer = Reaction(after_s=1, talk_s=3)
    numbers = [f"+38164111000{place}" for place in range(6)]
    now = datetime.now(UTC)
    for place, number in enumerate(numbers):
        centre.ask(number, base_score=100_000_000 + 1000 * place, since=now)
    most = [0]
    centre.switch.subscribe(lambda _event: most.append(len(centre.standing())))
    centre.at_work("1004")
    until(lambda: all(centre.task(number).tries for number in numbers), "all of them are called")
    assert centre.dialled == [number[1:] for number in reversed(numbers)]
    assert 0 < max(most) <= 2


def test_who_calls_meanwhile_is_not_called_and_keeps_the_place(calling: Callable[..., Calling]) -> None:
    centre = calling()
    # There, but does not answer within the test.
    centre.agent = Reaction("NO_ANSWER", 10)
    centre.at_work("1004")
    since = datetime.now(UTC) - timedelta(minutes=5)
    centre.ask(base_score=100_000_000, since=since)
    until(lambda: centre.task().call, "the place is kept")
    first = centre.task().call
    caller = centre.switch.call(CUSTOMER, HELPDESK)
    until(lambda: centre.task().call is None and first not in centre.switch.channels, "the call is taken away")
    assert caller.up
    caller.hangup("ORIGINATOR_CANCEL", "caller")
    until(lambda: centre.task().call not in (None, first), "the place is kept again")
    [task] = centre.tasks.of(CUSTOMER)
    assert (task.since, task.tries, task.tries_left) == (since, (), 2)
    until(lambda: task.call in centre.switch.channels, "the call stands")
    score = until(lambda: centre.switch.channels[task.call].get("cc_base_score"), "it is decided")
    assert 100_000_300 <= int(score) <= 100_000_400


def test_a_task_that_is_taken_back_takes_its_call_along(calling: Callable[..., Calling]) -> None:
    centre = calling()
    centre.agent = Reaction("NO_ANSWER", 10)
    centre.at_work("1004")
    id_ = centre.ask()
    call = until(lambda: centre.task().call, "the place is kept")
    until(lambda: call in centre.switch.channels, "the call is there")
    centre.tasks.change(CUSTOMER, lambda known: task_life.cancelled(known, id_, "by hand", datetime.now(UTC)))
    until(lambda: not [one for one in centre.switch.channels if one == call], "the call is gone")
    assert (centre.task().state, centre.task().tries) == (TaskState.CANCELLED, ())


def test_the_responsible_agent_is_waited_for_then_it_comes_unstuck(calling: Callable[..., Calling]) -> None:
    centre = calling(line={"task_wait_s": 3})
    centre.at_work("1004")
    centre.ask(agent="1005")
    task = centre.tried()
    [one] = task.tries
    assert (one.responsible, one.agent) == ("1005", "1004")
    # 1005 is not there: no call has stood in line for that agent.
    assert [event["queue"] for event in centre.told("queue_joined")] == ["helpdesk@fsapp"]
    assert one.at - task.due_at >= timedelta(seconds=3)


def test_a_responsible_agent_who_is_there_gets_the_call(calling: Callable[..., Calling]) -> None:
    centre = calling()
    centre.at_work("1004", "1005")
    centre.ask(agent="1005")
    [one] = centre.tried().tries
    assert (one.responsible, one.agent) == ("1005", "1005")
    assert [event["queue"] for event in centre.told("queue_joined")] == ["agent-1005@fsapp"]


def test_two_due_for_one_agent_come_one_after_the_other(calling: Callable[..., Calling]) -> None:
    centre = calling()
    other = "+381642223344"
    centre.at_work("1004")
    centre.ask(agent="1004")
    centre.ask(other, agent="1004")
    tries = [centre.tried(number).tries[0] for number in (CUSTOMER, other)]
    assert {one.agent for one in tries} == {"1004"}
    first, second = sorted(tries, key=lambda one: one.at)
    assert (second.at - first.at).total_seconds() >= second.talked_s


def test_while_serve_is_down_the_switch_decides(calling: Callable[..., Calling]) -> None:
    centre = calling()
    centre.centre.serve.kill()
    centre.centre.serve.wait(20)
    centre.at_work("1004")
    centre.ask()
    task = centre.tried()
    assert task.state is TaskState.DONE
    assert [event["reason"] for event in centre.told("call_routed")] == ["fallback-task"]


def test_a_call_that_ended_without_a_link_is_found_to_be_gone(calling: Callable[..., Calling]) -> None:
    centre = calling()
    centre.agent = Reaction("NO_ANSWER", 10)
    centre.at_work("1004")
    centre.ask()
    call = until(lambda: centre.task().call, "the place is kept")
    until(lambda: call in centre.switch.channels, "the call is there")
    centre.link.stop()
    centre.switch.hang_up_all("killed")
    centre.agent = Reaction(after_s=0.2)
    centre.start_link()
    task = centre.tried()
    assert (task.state, len(task.tries)) == (TaskState.DONE, 1)
    assert task.tries[0].id != call


def lab_time(centre: Calling, in_s: float) -> datetime:
    """A moment as the lab's clock has it, which runs ahead of ours."""
    return datetime.fromtimestamp(centre.switch.clock.now() + in_s, UTC)


def test_without_a_link_nobody_is_dialled_whose_time_is_over(calling: Callable[..., Calling]) -> None:
    """A phone rings for it, even: an agent who answered then would call a customer who is not to be called any more."""
    centre = calling()
    centre.agent = Reaction("", 600)
    centre.at_work("1004")
    centre.ask(expires_at=lab_time(centre, 40))
    call = until(lambda: centre.task().call, "the place is kept")
    until(lambda: call in centre.switch.channels and len(centre.switch.channels) == 3, "a phone rings")
    centre.link.stop()
    until(lambda: not centre.switch.channels, "the switch takes it away by itself")
    assert (centre.dialled, centre.task().tries, centre.task().call) == ([], (), call)
    centre.start_link()
    until(lambda: centre.task().call is None, "nobody waits for its call any more")
    assert centre.task().tries == ()


def test_who_is_dialled_in_time_may_talk_beyond_it(calling: Callable[..., Calling]) -> None:
    centre = calling()
    centre.customer = Reaction(after_s=2, talk_s=60)
    centre.at_work("1004")
    centre.ask(expires_at=lab_time(centre, 40))
    until(lambda: centre.dialled, "the customer is called")
    task = centre.tried()
    assert (task.state, task.tries[0].outcome, task.tries[0].cause) == (
        TaskState.DONE, TryOutcome.TALKED, "NORMAL_CLEARING")
    assert lab_time(centre, 0) > task.expires_at


def test_a_talk_that_is_recorded_is_announced_to_the_customer_first(
    calling: Callable[..., Calling], tmp_path: Path,
) -> None:
    centre = calling(line={"record": "both", "announce": True})
    played: list[tuple[str, str]] = []
    execute = Channel.execute

    def heard(channel: Channel, application: str, data: str, uuid: str = "") -> None:
        if application in ("playback", "record_session"):
            played.append((channel.name, data.rpartition("/")[2]))
        execute(channel, application, data, uuid)

    Channel.execute = heard
    try:
        centre.at_work("1004")
        centre.ask()
        centre.tried()
    finally:
        Channel.execute = execute
    customer = [what for name, what in played if name.startswith("sofia/")]
    assert customer == ["callback-here.wav", "recording.wav"]
    [started] = until(lambda: centre.told("recording_started"), "it is recorded")
    assert (tmp_path / started["file"]).exists()
    talked = centre.task().tries[0]
    assert started["at"] >= talked.at.timestamp() - talked.talked_s - 1


def test_a_try_is_written_when_redis_is_back(calling: Callable[..., Calling], monkeypatch: Any) -> None:
    centre = calling()
    change, away = Tasks.change, [False]

    def changed(tasks: Tasks, *args: Any) -> Any:
        if away[0]:
            raise StateUnavailable("Redis is away")
        return change(tasks, *args)

    monkeypatch.setattr(Tasks, "change", changed)
    centre.at_work("1004")
    centre.ask()
    until(lambda: centre.dialled, "the customer is called")
    away[0] = True
    until(lambda: not centre.switch.channels, "they have talked")
    until(lambda: centre.link._callbacks.fault, "it cannot be written")
    assert centre.task().state is TaskState.OPEN
    away[0] = False
    assert centre.tried().state is TaskState.DONE
    assert len(centre.dialled) == 1


def test_a_task_without_a_place_any_more_calls_nobody(calling: Callable[..., Calling]) -> None:
    centre = calling()
    centre.at_work("1004")
    centre.ask(place="gone")
    centre.ask("+381642223344")
    centre.tried("+381642223344")
    assert replace(centre.task(), tries=()) == centre.task()
    assert centre.task().call is None


def test_a_task_whose_place_and_call_are_gone_can_expire(calling: Callable[..., Calling]) -> None:
    """The rules were changed, and the switch was restarted, while no link was there."""
    centre = calling()
    now = datetime.now(UTC)
    centre.ask(place="gone", call="ea39f4a7-0000-0000-0000-000000000000", expires_at=now)
    until(lambda: centre.task().call is None, "nobody waits for its call any more")
    centre.link._task_keeping.look(datetime.now(UTC))
    assert centre.task().state is TaskState.EXPIRED


def test_who_gave_up_waiting_is_called_back_in_the_place_that_was_left(calling: Callable[..., Calling]) -> None:
    """From the call that is lost to the talk, with nobody doing anything but coming to work."""
    centre = calling(line={"call_back_lost": True, "lost_wait_s": 0, "lost_after_s": 0})
    call = centre.switch.call(CUSTOMER, HELPDESK)
    joined = until(lambda: centre.told("queue_joined"), "the customer waits")[0]
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: centre.tasks.of(CUSTOMER), "the call is lost")
    assert centre.task().kind is TaskKind.LOST
    centre.at_work("1004")
    task = centre.tried()
    assert (task.state, task.tries[0].outcome, task.tries[0].agent) == (TaskState.DONE, TryOutcome.TALKED, "1004")
    assert centre.dialled == [CUSTOMER.removeprefix("+")]
    again = centre.told("queue_joined")[1]
    assert again["task"] == task.id
    # As if still waiting: not the score of any callback, but that of the lost call with the time since then.
    assert joined["base_score"] <= again["base_score"] < joined["base_score"] + 60
    assert [event["what"] for event in centre.told("task")] == ["made", "closed"]
    assert [event["result"] for event in centre.told("attempt")] == ["talked"]


@pytest.mark.parametrize(("case", "agent", "customer"), [
    ("customer hangs up", Reaction(after_s=0.2), Reaction(after_s=1, talk_s=6)),
    ("agent hangs up", Reaction(after_s=0.2, talk_s=10), Reaction(after_s=1)),
    ("customer is busy", Reaction(after_s=0.2), Reaction("USER_BUSY", 1)),
    ("customer says no", Reaction(after_s=0.2), Reaction("CALL_REJECTED", 1)),
    ("customer does not answer", Reaction(after_s=0.2), Reaction("", 300)),
    ("agent hangs up while it rings", Reaction(after_s=0.2, talk_s=2), Reaction("", 20)),
    ("agent hangs up while it is said who calls", Reaction(after_s=0.2, talk_s=2), Reaction(after_s=1.5)),
    ("customer hangs up while it is said who calls", Reaction(after_s=0.2), Reaction(after_s=1, talk_s=1)),
    ("no such gateway", Reaction(after_s=0.2), None),
])
def test_the_lab_says_what_a_real_switch_said(
    calling: Callable[..., Calling], case: str, agent: Reaction, customer: Reaction | None,
) -> None:
    centre = calling(speed=10)
    events: list[FloorEvent] = []
    centre.link.watch.hearers.append(events.append)
    centre.agent, centre.customer = agent, customer
    if customer is None:
        centre.switch.customer = None
    centre.at_work("1004")
    centre.ask()
    centre.tried()
    until(lambda: said(events) == said(recorded(case)), f"{said(events)} is {said(recorded(case))}")


def test_a_call_that_ends_as_soon_as_a_link_is_there_is_a_try(redis_client: Any) -> None:
    """The first word of it is its end: what it was is on the floor that the link has read."""
    events = recorded("customer hangs up")
    first = next(at for at, event in enumerate(events) if event.kind == "call-hung-up" and side_of(event.call, event))
    watch = SimpleNamespace(seen=Seen(), up=False)
    for event in events[:first]:
        watch.seen = changed(watch.seen, apply(watch.seen, event))
    now, far = datetime.now(UTC), next(event for event in events if event.variables.get("fsapp_task"))
    tasks = Tasks(redis_client)
    task = Task(
        id=far.variables["fsapp_task"], kind=TaskKind.REQUESTED, number=CUSTOMER, place="helpdesk", due_at=now,
        expires_at=now + timedelta(hours=1), made_at=now, caller_id=HELPDESK, tries_left=2,
        call=far.variables["fsapp_place"])
    tasks.change(CUSTOMER, partial(task_life.made, new=task))
    rules = Rules.from_document(DOCUMENT)
    calls = Callbacks("main", watch, tasks, lambda: rules, lambda _event: None, Seen(), lambda *_contact: None)
    for event in events[first:]:
        watch.seen = changed(watch.seen, apply(watch.seen, event))
        calls.hear(event)
    calls.stop()
    [known] = tasks.of(CUSTOMER)
    assert [one.outcome for one in known.tries] == [TryOutcome.TALKED]
