"""What must hold: everything is killed in a loop under load, and afterwards the records equal what the switch did.

FSAPP_TEST_KILLS_S says for how many seconds, FSAPP_TEST_KILLS_SEED in which order and who does what;
`scripts/kill-loop` does it for minutes.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from kill_callers import Callers, rules
from kill_parts import REDIS, SEED, Parts, database_for
from kill_truth import Blind, Truth, differences
from lab_centre import Load, scenario
from lab_ends import until
from postgresql_server import PostgresServer

from fsapp.core.recording import read_name
from fsapp.lab.channel import Channel
from fsapp.state.customers import Customers
from fsapp.state.tasks import Tasks

KILLS_S = float(os.environ.get("FSAPP_TEST_KILLS_S", "20"))
PER_S = 10
_JUST_S = 0.3    # a busy machine does in one go what a caller does meanwhile


class Everything(Parts):
    """The example centre, called by all kinds of callers."""

    def __init__(self, redis: Any, postgres: PostgresServer | None, url: str, folder: Path) -> None:
        super().__init__(
            redis, postgres, url, folder, rules=rules(), scenario=scenario(speed=1, busy=4), truth=Truth())
        self.callers = Callers(self.switch, PER_S, self.chance)

    def messages(self) -> dict[str, list[str]]:
        """Files of messages that callers have left, by call."""
        found: dict[str, list[str]] = {}
        for path in self.recordings.rglob("*.wav"):
            name = str(path.relative_to(self.recordings))
            read = read_name(name)
            if read is not None and read.call_class == "voicemail":
                found.setdefault(read.call, []).append(name)
        return found

    def stop(self) -> None:
        self.callers.stop()
        super().stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def everything(request: pytest.FixtureRequest, own_redis: Any, tmp_path: Path) -> Iterator[Everything]:
    with database_for(request.param, tmp_path) as (postgres, url):
        parts = Everything(own_redis("--appendonly", "yes", "--appendfsync", "always"), postgres, url, tmp_path)
        yield parts
        parts.stop()


def test_the_records_are_what_the_switch_did(everything: Everything) -> None:
    killed = everything.kill_all(KILLS_S, everything.callers.enough)
    everything.callers.stop()
    for call in everything.callers.calls:
        call.hangup("ORIGINATOR_CANCEL", "caller")
    until(lambda: not everything.switch.calls, "everybody has left")
    with gevent.Timeout(90, AssertionError(f"not all is recorded: {everything.said()}")):
        while not everything.recorded():
            gevent.sleep(0.1)

    rows, found = everything.rows()
    assert found.bad == {} and found.calls == len(everything.callers.calls)
    interactions = {row["id"]: row for row in rows["interactions"]}
    calls = {call.uuid: call for call in everything.callers.calls}
    assert interactions.keys() == calls.keys() == everything.truth.calls.keys()
    messages, blind = everything.messages(), everything.blind()
    gaps = [[gap.start, gap.end] for gap in blind]
    (everything.folder / "kills.json").write_text(json.dumps({"killed": everything.killed, "blind": gaps}))
    decided: dict[str, list[Any]] = {}
    for row in sorted(rows["decisions"], key=lambda row: row["at"]):
        decided.setdefault(row["interaction_id"], []).append(row)
    left = {row["interaction_id"] for row in rows["voicemails"]}  # each is compared by itself
    hung = {row["interaction_id"] for row in rows["flow_ends"] if row["end"] == "hangup"}
    wrong = []
    for uuid, call in calls.items():
        wrong += [f"{uuid}: {what}" for what in _wrong(
            everything, call, interactions[uuid], decided.get(uuid, []), uuid in left, uuid in hung)]
    wrong += differences(everything.truth.calls, rows["queue_stays"], rows["offers"], blind)
    wrong += _of_flows(everything, rows, messages)
    wrong += _what_followed(everything, rows, blind)
    assert not wrong, "\n".join([f"{len(wrong)} differences in {len(calls)} calls:", *wrong[:20]])
    assert rows["quarantine"] == []
    outcomes = Counter(row["outcome"] for row in interactions.values())
    assert all(outcomes[name] > 2 for name in ("answered", "abandoned", "voicemail", "flow")), outcomes
    print(f"\nseed {SEED}: {len(calls)} calls, {dict(outcomes)}, {killed} kills, {len(rows['queue_stays'])} stays, "
          f"{len(rows['offers'])} offers, {len(rows['voicemails'])} messages, {len(rows['surveys'])} answers, "
          f"{sum(1 for row in rows['surveys'] if row['agent'])} of them after a talk; from the "
          f"switch's records: {len(found.added)} added, {len(found.completed)} completed")


def _wrong(
    parts: Everything, call: Channel, row: dict[str, Any], decisions: list[dict[str, Any]], told: bool,
    flow_ended: bool,
) -> Iterator[str]:
    """In which columns an interaction is not what the switch did with the call."""
    did = parts.truth.calls[call.uuid]
    talk, last = did.talk, did.last
    known: dict[str, tuple[Any, ...]] = {
        "number": (call.first_profile.caller_id_number,), "cause": (call.hangup_cause,), "direction": ("inbound",),
        "agent": (talk.agent if talk else None,), "outcome": _outcomes(parts, call, told, flow_ended),
        "called": (call.first_profile.destination_number,),
    }
    routed = call.variables.get("fsapp_class")
    # Decided, and gone before the switch was told: then only what has decided knows.
    known["call_class"] = (routed,) if routed else (None, *(one["call_class"] for one in decisions[:1]))
    if last is not None:
        known["queue"] = ((talk or last).queue,)
    for name, values in known.items():
        if row[name] not in values:
            yield f"{name} is {row[name]!r} instead of {values}"
    times: dict[str, float | None] = {
        "started_at": did.started_at, "ended_at": did.ended_at, "answered_at": talk and talk.answered_at}
    for name, at in times.items():
        if (at is None) != (row[name] is None) or (at is not None and abs(row[name] - at) > 1.6):
            yield f"{name} is {row[name]} instead of {at}"
    decision = call.variables.get("fsapp_decision")
    if decision and last is not None and decision not in {one["id"] for one in decisions} and not parts.around(
            last.joined_at, "serve", *REDIS):
        yield f"decision {decision} is not there, of {last}"


def _outcomes(parts: Everything, call: Channel, told: bool, flow_ended: bool) -> tuple[str, ...]:
    did = parts.truth.calls[call.uuid]
    if did.talk is not None:
        return ("answered",)
    if told:
        return ("voicemail",)
    if did.last is not None:
        return ("abandoned",)
    if call.end == "hangup" and call.variables.get("fsapp_flow"):
        # What has ended the flow was killed with the word of it still to be told.
        return ("flow", "hung-up") if parts.around(did.ended_at, "serve", *REDIS) else ("flow",)
    gone = call.hangup_cause in ("ORIGINATOR_CANCEL", "NORMAL_CLEARING")
    if flow_ended:
        return ("flow",)  # in the moment in which the caller hung up as well
    return ("hung-up" if gone else "failed",)


def _what_followed(parts: Everything, rows: dict[str, Any], blind: list[Blind]) -> Iterator[str]:
    """Who gave up waiting is to be called back, once; who talked is that agent's. In Redis and in the memory alike.

    Only of those who called once. What the link has never seen, a stay that began and ended while it was away, has no
    consequence; nor has it that somebody hung up between two queues, of which mod_callcenter tells nothing. Somebody
    who was known to wait, and has talked and gone before the link looked again, has given up as far as anybody can see
    from the switch's tables: called back in vain is better than not called back.
    """
    tasks, customers = Tasks(parts.centre.client), Customers(parts.centre.client)
    kept: dict[str, list[dict[str, Any]]] = {}
    stuck: dict[str, set[str]] = {}
    for row in rows["tasks"]:
        kept.setdefault(row["number"], []).append(row)
    for row in rows["customer_events"]:
        if row["type"] == "stickiness":
            stuck.setdefault(row["number"], set()).add(row["agent"])
    for call in parts.truth.calls.values():
        if call.number in Load.contacts:
            continue
        last = call.last
        unseen = last is not None and any(gap.has(last.joined_at, 1.0) for gap in blind)
        gave_up = last is not None and call.talk is None and last.reason == "BREAK_OUT"
        wanted = [("lost", "open")] if gave_up else []
        over_at = call.talk.over_at or call.ended_at if call.talk is not None else None
        hidden = call.talk is not None and any(
            gap.has(call.talk.answered_at, 1.0) and gap.has(over_at, 1.0) for gap in blind)
        for name, found in (
            ("memory", [(row["kind"], row["state"]) for row in kept.get(call.number, ())]),
            ("Redis", [(one.kind.value, one.state.value) for one in tasks.of(call.number)]),
        ):
            if found != wanted and not (unseen and not found) and not (hidden and found == [("lost", "open")]):
                yield f"{call.uuid}: tasks in {name} are {found} instead of {wanted}, of {last}"
        known = customers.get(call.number).sticky
        agents = {"memory": stuck.get(call.number, set()), "Redis": {known.agent} if known else set()}
        talked = {call.talk.agent} if call.talk is not None else set()
        for name, of in agents.items():
            if of != talked and not ((unseen or hidden) and not of):
                yield f"{call.uuid}: {name} has the customer stick to {of} instead of {talked}, of {last}"


def _of_flows(parts: Everything, rows: dict[str, Any], messages: dict[str, list[str]]) -> Iterator[str]:
    """Messages and answers: each file has one row, each answer that was taken one, and nothing else has."""
    files = Counter(row["file"] for row in rows["voicemails"])
    there = {file for some in messages.values() for file in some}
    for file in there:
        read = read_name(file)
        if files[file] != 1 and not (files[file] == 0 and read and parts.held(read.at.timestamp())):
            yield f"{file}: {files[file]} rows of a message"
    for row in rows["voicemails"]:
        if row["file"] not in there and not parts.callers.was_at(parts.callers.by_uuid[row["interaction_id"]], "mail"):
            yield f"a message that was none: {row}"
    answers: dict[str, list[str]] = {}
    for row in rows["surveys"]:
        answers.setdefault(row["interaction_id"], []).append(row["value"])
        talk = parts.truth.calls[row["interaction_id"]].talk
        asked = ("after", talk.agent) if talk is not None else ("main", None)
        if (row["flow"], row["agent"]) != asked:
            yield f"{row['interaction_id']}: asked by {row['flow']} about {row['agent']} instead of {asked}"
    for uuid, values in answers.items():
        pressed = [key for key, _at in parts.callers.answers.get(uuid, ())]
        if len(values) > len(pressed) or set(values) - set(pressed):
            yield f"{uuid}: answers {values} instead of {pressed}"
    for uuid, given in parts.callers.answers.items():
        # Taken, and the flow gone on, in the moment in which who took it was killed; or pressed as nobody listened.
        if uuid in answers or any(parts.around(at, "serve", *REDIS) for _key, at in given):
            continue
        call, ended_at = parts.callers.by_uuid[uuid], parts.truth.calls[uuid].ended_at
        if call.hangup_cause == "ORIGINATOR_CANCEL" and ended_at - given[-1][1] < _JUST_S:
            continue  # hung up before the switch had the key
        yield f"{uuid}: no answer of {given}, ended at {ended_at} with {call.hangup_cause} at {call.get('fsapp_block')}"
