"""Customers called for a survey in whole calls: dialled without an agent, asked by a flow, the answers written down."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flow_centre import at, document, press
from lab_ends import until
from sqlalchemy import select
from test_callback_calls import CUSTOMER, HELPDESK, Calling

from fsapp import log
from fsapp.app.followups import FollowupsProcess
from fsapp.app.recorder import RecorderProcess
from fsapp.cli.root import main
from fsapp.core import task_life
from fsapp.core.floor_rows import call_rows
from fsapp.core.task import TaskKind, TaskState, TryOutcome
from fsapp.lab.channel import Channel
from fsapp.lab.clock import Clock
from fsapp.lab.offering import Reaction
from fsapp.lab.scripts import Scripts
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.versions import migrate
from fsapp.rules import check_document
from fsapp.state.floor import read_floor

OTHERS = [f"+38160123450{digit}" for digit in range(4)]


def rules(**dial: Any) -> dict[str, Any]:
    """The example centre with a survey call after each talk."""
    found = document()
    found["dial"] = dial
    found["flow"]["how"] = {"line": "helpdesk", "start": "hello", "languages": ["sr", "en"], "block": {
        "hello": {"kind": "say", "say": ["survey-call"], "next": "rate"},
        "rate": {"kind": "survey", "say": ["survey"], "min": 1, "max": 5, "tries": 2, "next": "end"},
        "end": {"kind": "hangup", "say": ["survey-thanks"]}}}
    found["after"] = [{"name": "how", "outcome": ["answered"], "survey": "how", "survey_due_s": 0}]
    checked = check_document(found, "test")
    assert checked.faults == ()
    return checked.document


class Surveying(Calling):
    def ask_how(self, number: str = CUSTOMER, **more: Any) -> str:
        """A survey about a call to the helpdesk, which is due; its id."""
        return self.ask(number, **{
            "kind": TaskKind.SURVEY, "flow": "how", "about": "talk-1", "about_agent": "1004", "made_by": "rule how",
            **more})

    def leg(self, number: str = CUSTOMER) -> Channel:
        """The customer's, once it is answered."""
        def found() -> Channel | None:
            return next((one for one in list(self.switch.channels.values())
                         if one.get("fsapp_customer") == number and one.answered), None)

        return until(found, f"{number} has answered")


@pytest.fixture
def surveying(own_redis: Any, tmp_path: Path) -> Iterator[Callable[..., Surveying]]:
    """Makes a Surveying, in which customers answer and stay on the line; at most one a test."""
    made: list[Surveying] = []

    def make(**dial: Any) -> Surveying:
        made.append(Surveying(own_redis(), tmp_path, rules=rules(**dial)))
        made[-1].customer = Reaction(after_s=1)
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_customer_is_called_and_asked(surveying: Callable[..., Surveying]) -> None:
    centre = surveying()
    centre.at_work("1004")
    id_ = centre.ask_how()
    leg = centre.leg()
    assert leg.direction == "outbound"
    assert (leg.first_profile.caller_id_number, leg.profile.caller_id_number) == (HELPDESK, CUSTOMER)
    at(leg, "rate")

    def rows() -> list[dict[str, Any]]:
        found = call_rows([read_floor(centre.centre.client, "main")], centre.rules, datetime.now(UTC))
        return [{name: row[name] for name in ("class", "number", "called", "task", "queue", "reason")} for row in found]

    until(lambda: rows() == [{"class": None, "number": CUSTOMER, "called": HELPDESK, "task": id_, "queue": None,
                              "reason": "survey"}], "it is shown")
    press(leg, "rate", "4")
    until(lambda: not centre.switch.channels, "nothing is left")
    assert leg.hangup_cause == "NORMAL_CLEARING"
    task = centre.tried()
    assert (task.state, task.call, task.why) == (TaskState.DONE, None, "asked")
    assert [(one.id, one.outcome, one.agent) for one in task.tries] == [(leg.uuid, TryOutcome.ASKED, None)]
    [answer] = centre.told("survey_answered")
    assert {name: answer[name] for name in ("call", "caller", "called", "about", "agent", "value")} == {
        "call": leg.uuid, "caller": CUSTOMER, "called": HELPDESK, "about": "talk-1", "agent": "1004", "value": "4"}
    assert centre.dialled == [CUSTOMER[1:]]
    # It is nobody's call that came in: nothing is decided, no queue joined, nobody sticks to anybody.
    until(lambda: centre.told("call_hung_up"), "the end is told")
    assert [one["direction"] for one in centre.told("call_hung_up")] == ["outbound"]
    for type_ in ("call_routed", "call_refused", "queue_joined", "call_abandoned", "stickiness", "direct_callback"):
        assert not centre.told(type_), type_
    assert [(one["outcome"], one["result"], one["flow"]) for one in centre.told("attempt")] == [
        ("talked", "asked", "how")]
    assert not centre.customers.get(CUSTOMER).sticky and not centre.customers.get(CUSTOMER).rights


def test_who_hangs_up_early_or_says_nothing_is_not_called_again(surveying: Callable[..., Surveying]) -> None:
    centre = surveying()
    centre.ask_how()
    leg = centre.leg()
    at(leg, "hello")
    leg.hangup("NORMAL_CLEARING", "caller")
    until(lambda: centre.told("flow_left"), "the flow is over")
    assert centre.told("flow_left")[0]["end"] == "hung-up"
    assert centre.tried().state is TaskState.DONE
    # An answering machine presses nothing: the flow's tries are over, and so is the call.
    centre.ask_how(OTHERS[0])
    until(lambda: len(centre.told("flow_left")) == 2, "nobody has said anything")
    until(lambda: not centre.switch.channels, "nothing is left")
    assert centre.tried(OTHERS[0]).state is TaskState.DONE
    assert not centre.told("survey_answered")
    assert len(centre.dialled) == 2


@pytest.mark.parametrize(("reaction", "outcome", "cause"), [
    (Reaction("USER_BUSY"), TryOutcome.BUSY, "USER_BUSY"),
    (Reaction("CALL_REJECTED", 0.5), TryOutcome.REJECTED, "CALL_REJECTED"),
    (Reaction(after_s=3600), TryOutcome.NO_ANSWER, "NO_ANSWER"),
])
def test_who_is_not_reached_is_due_again(
    surveying: Callable[..., Surveying], reaction: Reaction, outcome: TryOutcome, cause: str,
) -> None:
    centre = surveying(ring_s=15)
    centre.customer = reaction
    centre.ask_how()
    task = centre.tried()
    assert (task.state, task.tries_left, task.call) == (TaskState.OPEN, 1, None)
    assert [(one.outcome, one.cause) for one in task.tries] == [(outcome, cause)]
    assert task.due_at > datetime.now(UTC) + timedelta(minutes=5)
    until(lambda: not centre.switch.channels, "nothing is left")
    assert [(one["outcome"], one["result"]) for one in centre.told("attempt")] == [("failed", outcome.value)]


def test_a_way_out_that_is_not_there_uses_up_no_try(surveying: Callable[..., Surveying]) -> None:
    centre = surveying()
    centre.switch.customer = None
    centre.ask_how()
    until(lambda: centre.task().call, "the customer is to be called")
    task = centre.tried()
    assert (task.state, task.tries_left, task.tries[0].outcome) == (TaskState.OPEN, 2, TryOutcome.FAILED)


def test_so_many_at_once(surveying: Callable[..., Surveying]) -> None:
    centre = surveying(surveys_at_once=2)
    for number in OTHERS:
        centre.ask_how(number)
    legs = [centre.leg(number) for number in OTHERS[:2]]
    for leg in legs:
        at(leg, "rate")
    assert len(centre.dialled) == 2
    legs[0].hangup("NORMAL_CLEARING", "caller")
    third = centre.leg(OTHERS[2])
    at(third, "rate")
    assert len(centre.dialled) == 3


def test_none_at_once(surveying: Callable[..., Surveying]) -> None:
    centre = surveying(surveys_at_once=0)
    centre.customer = Reaction(after_s=1, talk_s=3)
    centre.ask_how()
    centre.at_work("1004")
    centre.ask(OTHERS[0])
    centre.tried(OTHERS[0])
    assert centre.dialled == [OTHERS[0][1:]] and not centre.task().tries


@pytest.mark.parametrize("taken_back", [True, False])
def test_a_task_that_is_taken_back(surveying: Callable[..., Surveying], taken_back: bool) -> None:
    """While it rings nobody is asked any more; who has answered is."""
    centre = surveying()
    centre.customer = Reaction(after_s=3600 if taken_back else 0)
    id_ = centre.ask_how()
    if not taken_back:
        at(centre.leg(), "hello")
    until(lambda: centre.dialled, "it rings")
    centre.tasks.change(CUSTOMER, partial(task_life.cancelled, id_=id_, why="enough", now=datetime.now(UTC)))
    if taken_back:
        until(lambda: not centre.switch.channels, "the phone is silent")
        assert centre.tried().tries[0].outcome is TryOutcome.GIVEN_UP
        assert (centre.task().state, centre.task().why) == (TaskState.CANCELLED, "enough")
    else:
        press(centre.leg(), "rate", "2")
        until(lambda: centre.told("survey_answered"), "the answer is taken")
        assert centre.task().state is TaskState.DONE


def test_whom_the_rules_refuse_or_no_flow_asks(surveying: Callable[..., Surveying]) -> None:
    centre = surveying()
    refused = {"+15551234567": "nonsense", "+436641234567": "foreign", HELPDESK: "ours"}
    for number in refused:
        centre.ask_how(number)
    centre.ask_how(OTHERS[0], flow="gone")
    for number, why in {**refused, OTHERS[0]: "no-such-flow"}.items():
        until(lambda number=number: centre.task(number).state is TaskState.CANCELLED, f"{number} is refused")
        assert centre.task(number).why in (why, "foreign")
    assert not centre.dialled


def test_who_is_on_the_line_is_called_later(surveying: Callable[..., Surveying]) -> None:
    centre = surveying()
    call = centre.switch.call(CUSTOMER, HELPDESK)
    until(lambda: call.get("current_application") == "callcenter", "the customer waits")
    centre.ask_how()
    centre.ask_how(OTHERS[0])
    at(centre.leg(OTHERS[0]), "rate")
    assert centre.dialled == [OTHERS[0][1:]]
    call.hangup("NORMAL_CLEARING", "caller")
    at(centre.leg(), "rate")
    # And while one is asked no callback stands for the same customer.
    centre.customer = Reaction(after_s=1, talk_s=3)
    centre.at_work("1004")
    centre.ask(CUSTOMER)
    centre.ask(OTHERS[1])
    centre.tried(OTHERS[1])
    assert centre.dialled.count(CUSTOMER[1:]) == 1


def test_a_flow_goes_on_with_another_serve_and_the_task_with_another_link(
    surveying: Callable[..., Surveying],
) -> None:
    centre = surveying()
    centre.ask_how()
    leg = centre.leg()
    at(leg, "rate")
    centre.link.stop()
    centre.centre.serve.kill()
    centre.centre.serve.wait(20)
    assert centre.task().state is TaskState.DONE  # said as soon as the flow began
    centre.switch.clock = Clock(1)
    leg.press("9")  # ends the question; nobody hears of it
    until(lambda: leg.get("fsapp_flow_misses"), "the dialplan has taken the call back")
    centre.centre.start_serve(centre.centre.listen)
    until(lambda: leg.get("current_application") == "play_and_get_digits", "it is asked again")
    leg.press("5")
    until(lambda: not leg.up, "the survey is over")
    centre.start_link()
    until(lambda: centre.told("survey_answered"), "the answer is written down")
    assert [one.outcome for one in centre.tried().tries] == [TryOutcome.ASKED]
    assert [one["result"] for one in centre.told("attempt")] == ["asked"]
    assert centre.dialled == [CUSTOMER[1:]]


def test_another_link_takes_over_a_phone_that_rings(surveying: Callable[..., Surveying]) -> None:
    centre = surveying()
    centre.customer = Reaction("USER_BUSY", after_s=25)
    centre.ask_how()
    until(lambda: centre.dialled, "it rings")
    centre.link.stop()
    centre.start_link()
    [leg] = centre.switch.channels.values()
    task = centre.tried()
    assert [(one.id, one.outcome) for one in task.tries] == [(leg.uuid, TryOutcome.BUSY)]
    assert (task.tries_left, centre.dialled) == (1, [CUSTOMER[1:]])
    assert [one["result"] for one in centre.told("attempt")] == ["busy"]


def test_a_call_that_ended_unheard_counts(surveying: Callable[..., Surveying]) -> None:
    centre = surveying()
    centre.customer = Reaction(after_s=3600)
    centre.ask_how()
    until(lambda: centre.dialled, "it rings")
    centre.link.stop()
    [leg] = centre.switch.channels.values()
    leg.hangup("NO_ANSWER", "caller")
    until(lambda: not centre.switch.channels, "nobody has answered")
    centre.start_link()
    task = centre.tried()
    assert (task.state, task.tries_left, task.call) == (TaskState.OPEN, 1, None)
    assert [(one.id, one.outcome) for one in task.tries] == [(leg.uuid, TryOutcome.FAILED)]


@pytest.mark.parametrize("python", [True, False])
def test_while_serve_is_down_nobody_is_led_to_a_queue(surveying: Callable[..., Surveying], python: bool) -> None:
    centre = surveying()
    if not python:
        centre.switch.scripts = Scripts(centre.switch, None, "")
    centre.at_work("1004")
    centre.centre.serve.kill()
    centre.centre.serve.wait(20)
    heard: list[str] = []
    play = centre.switch.applications["playback"]
    centre.switch.applications["playback"] = lambda channel, data: (heard.append(data), play(channel, data))[1]
    centre.ask_how()
    leg = centre.leg()
    until(lambda: not leg.up, "the call is ended")
    assert [Path(one).name for one in heard] == ["survey-failed.wav"]
    assert leg.hangup_cause == "NORMAL_TEMPORARY_FAILURE"
    task = centre.tried()
    # The phone has rung: it is not called up again and again to hear that.
    assert (task.state, task.tries_left, task.tries[0].outcome) == (TaskState.OPEN, 1, TryOutcome.FAILED)
    assert not centre.told("call_routed") and not centre.told("queue_joined")


def test_while_serve_is_down_customers_are_not_rung_up_one_after_another(
    surveying: Callable[..., Surveying],
) -> None:
    centre = surveying(surveys_at_once=1)
    centre.customer = Reaction(after_s=0, keys="4", talk_s=6)
    centre.at_work("1004")
    centre.centre.serve.kill()
    centre.centre.serve.wait(20)
    centre.ask_how(OTHERS[0])
    assert centre.tried(OTHERS[0]).tries[0].outcome is TryOutcome.FAILED
    centre.ask_how(OTHERS[1])
    centre.ask(CUSTOMER)
    assert centre.tried().tries[0].outcome is TryOutcome.TALKED
    assert centre.dialled == [OTHERS[0][1:], CUSTOMER[1:]]
    centre.centre.start_serve(centre.centre.listen)
    assert centre.tried(OTHERS[1]).tries[0].outcome is TryOutcome.ASKED


def test_with_an_older_dialplan_customers_are_not_rung_up_one_after_another(
    surveying: Callable[..., Surveying],
) -> None:
    centre = surveying(surveys_at_once=1)
    plan = centre.switch.dialplan
    older = tuple(one for one in plan.contexts["fsapp"] if one.name != "fsapp-ask")
    centre.switch.dialplan = replace(plan, contexts={**plan.contexts, "fsapp": older})
    centre.at_work("1004")
    centre.ask_how(OTHERS[0])
    assert centre.tried(OTHERS[0]).tries[0].cause == "NO_ROUTE_DESTINATION"
    centre.ask_how(OTHERS[1])
    centre.customer = Reaction(after_s=0, talk_s=6)
    centre.ask(CUSTOMER)
    assert centre.tried().tries[0].outcome is TryOutcome.TALKED
    assert centre.dialled == [OTHERS[0][1:], CUSTOMER[1:]]
    assert all(one["task"] for one in centre.told("queue_joined"))


def load(centre: Surveying, document: dict[str, Any]) -> None:
    version = centre.centre.rules.load(document, note="", author="test", source="test").version
    until(lambda: f"fsapp_rules_version {version:.1f}" in centre.centre.get("/metrics"), "they are in force")


def test_a_flow_that_is_gone(surveying: Callable[..., Surveying]) -> None:
    """Whoever is in it is asked to the end, whoever has just answered hears why nobody asks."""
    centre = surveying()
    centre.ask_how()
    leg = centre.leg()
    at(leg, "rate")
    without = rules()
    del without["after"], without["flow"]["how"]
    centre.link.stop()  # the phone of the other is not silenced by it
    load(centre, without)
    centre.centre.serve.kill()
    centre.centre.serve.wait(20)
    centre.switch.clock = Clock(1)
    leg.press("9")  # ends the question; nobody hears of it
    until(lambda: leg.get("fsapp_flow_misses"), "the dialplan has taken the call back")
    centre.centre.start_serve(centre.centre.listen)
    until(lambda: leg.get("current_application") == "play_and_get_digits", "it is asked again")
    leg.press("5")
    until(lambda: not leg.up, "the survey is over")
    assert (centre.told("survey_answered")[0]["value"], leg.hangup_cause) == ("5", "NORMAL_CLEARING")


def test_a_flow_that_is_gone_when_its_customer_answers(surveying: Callable[..., Surveying]) -> None:
    centre = surveying()
    centre.customer = Reaction(after_s=15)
    centre.ask_how()
    until(lambda: centre.dialled, "it rings")
    centre.link.stop()  # which would silence the phone
    without = rules()
    del without["after"], without["flow"]["how"]
    load(centre, without)
    heard: list[str] = []
    play = centre.switch.applications["playback"]
    centre.switch.applications["playback"] = lambda channel, data: (heard.append(data), play(channel, data))[1]
    leg = centre.leg()
    until(lambda: not leg.up, "the call is ended")
    assert [Path(one).name for one in heard] == ["survey-failed.wav"]


def test_ids_of_any_interaction_come_through(surveying: Callable[..., Surveying]) -> None:
    about = "email:<CAF=x,y'{}$@mail.example.com>"
    centre = surveying()
    centre.customer = Reaction(after_s=0, keys="3")
    centre.ask_how(about=about, about_agent="no such, agent", language="e n", id=secrets.token_hex(6))
    until(lambda: centre.told("survey_answered"), "the answer is written down")
    [answer] = centre.told("survey_answered")
    assert (answer["about"], answer["value"], answer.get("agent")) == (about, "3", None)


# -- the whole chain -----------------------------------------------------------------------------------------------


class Memory:
    """Recorder and follow-ups on a database, and what commands say of it."""

    def __init__(self, redis_server: Any, url: str, folder: Path, monkeypatch: Any, capsys: Any) -> None:
        migrate(url)
        monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
        monkeypatch.setenv("FSAPP_DATABASE_URL", url)
        self._capsys = capsys
        log.configure()  # to stderr: what commands print is read
        self._database = Database(url)
        settings = redis_server.settings.model_copy(update={
            "database_url": url, "recordings": str(folder),
            **dict.fromkeys(("recorder_http", "followups_http"), "127.0.0.1:0")})
        self.parts = [RecorderProcess(settings), FollowupsProcess(settings)]
        for part in self.parts:
            part.start()

    def fsapp(self, *words: str) -> Any:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([*words, "--json"])
        out, err = self._capsys.readouterr()
        assert not left.value.code, err
        return json.loads(out)

    def rows(self, table: Any) -> list[dict[str, Any]]:
        query = select(table).order_by(*table.primary_key)
        return [dict(row) for row in self._database.read(
            lambda connection: connection.execute(query).mappings().all())]

    def stop(self) -> None:
        for part in self.parts[::-1]:
            part.stop()
        self.parts[0].database.close()
        self._database.close()


def test_from_a_talk_to_its_answer_in_the_memory(
    own_redis: Any, empty_database: str, tmp_path: Path, monkeypatch: Any, capsys: Any,
) -> None:
    redis_server = own_redis()
    centre = Surveying(redis_server, tmp_path, rules=rules())
    memory = Memory(redis_server, empty_database, tmp_path, monkeypatch, capsys)
    try:
        centre.agent = Reaction(after_s=0.2, talk_s=3)
        centre.customer = Reaction(after_s=1, keys="4")
        centre.at_work("1004")
        talk = centre.switch.call(CUSTOMER, HELPDESK)
        until(lambda: not talk.up, "they have talked")
        until(lambda: centre.told("survey_answered"), "the customer was called and asked")
        until(lambda: [row["outcome"] for row in memory.rows(schema.interactions)].count(None) == 0
              and len(memory.rows(schema.interactions)) == 2, "both calls are in the memory")
        until(lambda: all(row["followed_at"] for row in memory.rows(schema.interactions)), "all is looked at")
        check_memory(memory, talk.uuid)
        # Nothing follows from the survey, though its rule says nothing against it.
        assert [row["interaction_id"] for row in memory.rows(schema.followups)] == [talk.uuid]
        assert centre.dialled == [CUSTOMER[1:]]
    finally:
        memory.stop()
        centre.close()


def check_memory(memory: Memory, talk: str) -> None:
    calls = {row["id"]: row for row in memory.rows(schema.interactions)}
    [survey] = set(calls) - {talk}
    assert {name: calls[survey][name] for name in (
        "channel", "direction", "number", "called", "call_class", "reason", "line", "queue", "agent", "outcome", "flow",
    )} == {"channel": "call", "direction": "outbound", "number": CUSTOMER, "called": HELPDESK, "call_class": None,
           "reason": "survey", "line": "helpdesk", "queue": None, "agent": None, "outcome": "flow", "flow": "how"}
    [answer] = memory.rows(schema.surveys)
    assert {name: value for name, value in answer.items() if name not in ("id", "at")} == {
        "interaction_id": talk, "call_id": survey, "number": CUSTOMER, "flow": "how", "block": "rate", "value": "4",
        "agent": "1004"}
    [task] = memory.rows(schema.tasks)
    assert {name: task[name] for name in ("id", "kind", "state", "flow", "about_id", "tries")} == {
        "id": calls[survey]["task_id"], "kind": "survey", "state": "done", "flow": "how", "about_id": talk, "tries": 1}
    [attempt] = memory.rows(schema.attempts)
    assert (attempt["interaction_id"], attempt["result"], attempt["flow"], attempt["agent"]) == (
        survey, "asked", "how", None)
    [row] = memory.fsapp("followups", "list", "--kind", "survey")["followups"]
    assert (row["interaction"], row["target"], row["state"]) == (talk, "how", "done")
    assert memory.fsapp("followups", "show", row["id"])["payload"]["about"] == talk
    [row] = memory.fsapp("tasks", "list", "--kind", "survey", "--state", "all")["tasks"]
    assert (row["flow"], row["about"], row["last_outcome"], row["agent"]) == ("how", talk, "asked", None)
    for call in (talk, survey):  # the answer is shown with what it is about, and with the call in which it was given
        [shown] = memory.fsapp("interactions", "show", call)["surveys"]
        assert (shown["value"], shown["interaction_id"], shown["call_id"]) == ("4", talk, survey)
    [row] = memory.fsapp("report", "surveys", "--from", "1d", "--by", "agent")["rows"]
    assert (row["agent"], row["answers"], row["average_mark"]) == ("1004", 1, 4.0)
    total = memory.fsapp("report", "calls", "--from", "1d")["total"]
    assert (total["calls"], total["answered"], total["abandoned"]) == (1, 1, 0)
    [row] = memory.fsapp("report", "survey-calls", "--from", "1d", "--by", "flow", "--by", "agent")["rows"]
    assert [row[name] for name in ("flow", "agent", "calls", "asked", "responded")] == ["how", "1004", 1, 1, 1]
    for report in ("attempts", "callbacks"):
        assert memory.fsapp("report", report, "--from", "1d")["total"][report] == 0
    kinds = [one["kind"] for one in memory.fsapp("customers", "timeline", CUSTOMER)["entries"]]
    assert sorted(kinds) == ["attempt", "call", "call", "survey", "task"]
