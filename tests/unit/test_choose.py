"""Lists of callers, checks of both numbers and opening hours: what each makes of a decision, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fsapp.core.model import DEGRADED, NO_FACTS, Call, Contact, Decision, Earlier, Facts, Right, Sticky
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.rules import Checked, check, check_document, diff, load_folder, to_toml

ROOT = Path(__file__).parents[2]
CALLER = "+381601234567"
DESK, CALLBACKS, NEW, FLOW = "+381115550300", "+381115550100", "+381115550200", "+381115550400"
NOON = datetime(2026, 11, 25, 11, 0, tzinfo=UTC)       # a Wednesday, 12:00 in Belgrade
NIGHT = datetime(2026, 11, 25, 22, 0, tzinfo=UTC)
CONTACT = Contact("renewals", "first-call", CALLER, agent="1002")
RIGHT = Right("1001", NIGHT + timedelta(days=1), "renewals", "first-call")
OFFICE = {"office": {"timezone": "Europe/Belgrade", "hours": ["mon-fri 08:00-20:00"]}}


def judged(**tables: Any) -> Checked:
    """The example centre with these tables added; `line_NAME` and `number_DIGITS` add keys to what is there."""
    document = load_folder(ROOT / "conf/rules")
    for name, spec in tables.items():
        table, _, key = name.partition("_")
        if table == "number" and key:
            next(entry for entry in document["number"] if entry["number"] == f"+{key}").update(spec)
        elif key:
            document[table][key] = document[table].get(key, {}) | spec
        else:
            document[table] = spec
    return check_document(document, "test")


def rules(**tables: Any) -> Rules:
    """The same as rules, which must be sound."""
    checked = judged(**tables)
    assert checked.faults == ()
    return Rules.from_document(checked.document)


def made(
    centre: Rules, called: str = DESK, facts: Facts = NO_FACTS, caller: str = CALLER, now: datetime = NOON,
    earlier: Earlier | None = None,
) -> Decision:
    call = Call(normalise(caller, "RS"), normalise(called, "RS"), earlier=earlier)
    return decide(call, facts, centre, now)


def queues(decision: Decision) -> list[str]:
    return [target.queue.removesuffix("@fsapp") for target in decision.targets]


def steps(decision: Decision, rule: str) -> list[tuple[str, str]]:
    return [(step.fact, step.outcome) for step in decision.trace if step.rule == rule]


def test_a_list_leads_to_an_agent_to_agents_of_its_own_and_to_a_group_in_this_order() -> None:
    centre = rules(list={"hard": {"numbers": [CALLER], "vip": 3, "agent": "1001", "agents": ["1004", "1005"],
                                  "priority": {"1005": 9}, "wait_s": 40, "group": "sales"}})
    found = made(centre)
    assert queues(found) == ["agent-1001", "list-hard", "group-sales", "helpdesk"]
    assert found.targets[1].wait_s == 40
    assert centre.queues["list-hard@fsapp"].staff == {"1004": 5, "1005": 9}
    assert found.base_score == 131_003_540
    assert steps(found, "list")[0] == (f"{CALLER} is in hard",
                                       "leads to agent 1001, agents of list hard, group sales, VIP 3")
    assert queues(made(centre, caller="+381601234568")) == ["helpdesk"]


def test_it_comes_after_the_right_and_the_responsible_agent_and_before_the_sticky_one() -> None:
    centre = rules(list={"vip": {"numbers": [CALLER], "agent": "1003", "group": "support"}},
                   check=[{"from": ["+38160"], "agent": "1006"}])
    facts = Facts((CONTACT,), (RIGHT,), Sticky("1001", NOON))
    assert queues(made(centre, CALLBACKS, facts)) == [
        "agent-1001", "agent-1002", "agent-1003", "group-support", "agent-1006", "renewals.first-call"]
    facts = Facts((CONTACT,), (), Sticky("1001", NOON))
    assert queues(made(centre, CALLBACKS, facts)) == [
        "agent-1002", "agent-1003", "group-support", "agent-1006", "agent-1001", "renewals.first-call"]


def test_nobody_is_waited_for_twice_or_in_vain() -> None:
    centre = rules(list={"vip": {"numbers": [CALLER], "agent": "1002", "group": "sales"}},
                   check=[{"from": ["+38160"], "agent": "1004", "group": "sales"}],
                   line_helpdesk={"groups": ["support"], "priority": {"1004": 0}})
    assert queues(made(centre, CALLBACKS, Facts((CONTACT,)))) == [
        "agent-1002", "group-sales", "agent-1004", "renewals.first-call"]
    found = made(centre)
    assert queues(found) == ["agent-1002", "group-sales", "helpdesk"]
    assert ("the caller is led by check no-1 to agent 1004", "takes no inbound calls here: skipped") in steps(
        found, "check")


def test_a_line_takes_service_calls_and_a_stage_new_customers_and_a_callback_stays_with_its_contact() -> None:
    tables = load_folder(ROOT / "conf/rules")["campaign"]
    tables["web-leads"]["stage"]["german"] = {"kind": "new-customers", "sla_s": 5}
    centre = rules(campaign=tables, list={"vip": {"numbers": [CALLER], "line": "vip", "stage": "web-leads/german"}})
    service, new, callback = made(centre), made(centre, NEW), made(centre, CALLBACKS, Facts((CONTACT,)))
    assert (service.call_class, service.line, service.base_score, queues(service)) == (
        "service", "vip", 101_003_590, ["vip"])
    assert (new.call_class, new.stage, new.base_score, queues(new)) == (
        "new-customer", "german", 204_003_595, ["web-leads.german"])
    assert (callback.call_class, callback.stage, queues(callback)) == (
        "callback", "first-call", ["agent-1002", "renewals.first-call"])
    assert made(centre, FLOW).line == "vip"


@pytest.mark.parametrize(("caller", "line"), [
    ("+381601111111", "vip"), ("+381601222222", "helpdesk"), ("+381631234567", "helpdesk"), (CALLER, "second"),
])
def test_a_whole_number_goes_before_a_beginning_and_a_long_one_before_a_short_one(caller: str, line: str) -> None:
    centre = rules(line_second={"groups": ["sales"]}, list={
        "a": {"numbers": ["+38160*"], "line": "helpdesk", "vip": 1},
        "b": {"numbers": ["+3816011*", "+38160*"], "line": "vip", "vip": 4},
        "c": {"numbers": [CALLER], "line": "second", "vip": 2}})
    found = made(centre, caller=caller)
    assert found.line == line
    # The highest VIP level of all of them counts.
    assert found.base_score // 10_000_000 == 10 + (4 if caller.startswith("+38160") else 0)


def test_checks_are_tried_in_order_and_the_first_that_fits_ends_it() -> None:
    centre = rules(check=[
        {"from": ["+38164", "+38165"], "line": "vip"}, {"name": "ours", "from": ["+38160"], "agent": "1005"},
        {"from": ["+3816"], "agent": "1006"}])
    assert queues(made(centre)) == ["agent-1005", "helpdesk"]
    assert queues(made(centre, caller="+381651234567")) == ["vip"]
    assert queues(made(centre, caller="+381611234567")) == ["agent-1006", "helpdesk"]
    found = made(centre, caller="+12125550123")
    assert queues(found) == ["helpdesk"]
    assert steps(found, "check") == [(f"+12125550123 to {DESK} fits no check", "no lead")]


def test_a_chain_goes_on_at_the_check_it_names_and_ends_where_it_says() -> None:
    centre = rules(check=[
        {"name": "mobile", "from": ["+38160"], "agent": "1005", "next": "desk"},
        {"from": ["+38160"], "agent": "1001"},
        {"name": "desk", "to": [DESK[:-2]], "group": "sales", "next": "end"},
        {"from": ["+381"], "line": "vip"}])
    found = made(centre)
    assert queues(found) == ["agent-1005", "group-sales", "helpdesk"]
    assert [outcome for _, outcome in steps(found, "check")[:2]] == [
        "leads to agent 1005, then check desk", "leads to group sales"]
    # Where the named one does not fit, the chain goes on behind it.
    assert queues(made(centre, FLOW)) == ["agent-1005", "vip"]


def test_both_numbers_have_to_begin_so() -> None:
    centre = rules(check=[{"from": ["+38160"], "to": [DESK], "line": "vip"}])
    assert [made(centre, called, caller=caller).line for called, caller in (
        (DESK, CALLER), (FLOW, CALLER), (DESK, "+381631234567"))] == ["vip", "helpdesk", "helpdesk"]


@pytest.mark.parametrize(("caller", "line"), [
    ("anonymous", "vip"), ("", "vip"), ("94", "helpdesk"), (CALLER, "helpdesk"),
])
def test_callers_without_a_number_can_be_checked_for(caller: str, line: str) -> None:
    assert made(rules(check=[{"from": ["anonymous"], "line": "vip"}]), caller=caller).line == line


def test_a_check_with_a_schedule_fits_only_while_it_is_open() -> None:
    centre = rules(schedule=OFFICE, check=[{"schedule": "office", "agent": "1001"}])
    assert queues(made(centre)) == ["agent-1001", "helpdesk"]
    assert queues(made(centre, now=NIGHT)) == ["helpdesk"]


@pytest.mark.parametrize(("called", "facts"), [
    (DESK, NO_FACTS), (CALLBACKS, Facts((CONTACT,), (RIGHT,))), (NEW, NO_FACTS),
])
def test_a_closed_number_leads_to_its_closed_line_whatever_the_call_would_have_been(called: str, facts: Facts) -> None:
    closing = {"schedule": "office", "closed_line": "vip"}
    centre = rules(schedule=OFFICE, **{f"number_{called[1:]}": closing})
    found = made(centre, called, facts, now=NIGHT)
    assert (found.call_class, found.reason, found.line, found.contact, queues(found)) == (
        "service", "closed", "vip", None, ["vip"])
    assert (f"{called} keeps schedule office", "closed: line vip") in steps(found, "schedule")
    assert made(centre, called, facts).reason != "closed"


def test_a_closed_number_without_a_line_says_so_and_hangs_up() -> None:
    centre = rules(schedule=OFFICE, number_381115550300={"schedule": "office"})
    found = made(centre, now=NIGHT)
    assert (found.call_class, found.reason, found.target) == (None, "closed", None)
    assert made(centre, facts=DEGRADED, now=NIGHT).reason == "degraded-closed"
    assert made(centre).line == "helpdesk"


def test_a_closed_flow_leads_to_its_line() -> None:
    centre = rules(schedule=OFFICE, number_381115550900={"schedule": "office", "closed_flow": "main"})
    assert (made(centre, "+381115550900", now=NIGHT).line, made(centre, "+381115550900").line) == ("helpdesk", "vip")


def test_a_flow_is_run_before_its_closed_line_is_asked_for() -> None:
    flow = {"main": {"line": "helpdesk", "start": "end", "block": {"end": {"kind": "queue"}}}}
    centre = rules(schedule=OFFICE, line_helpdesk={"schedule": "office"}, flow=flow)
    found = made(centre, FLOW, now=NIGHT)
    assert (found.flow, found.call_class) == ("main", "service")
    assert made(centre, now=NIGHT).target is None


def test_closed_lines_lead_on_until_one_is_open() -> None:
    tables = {"line_helpdesk": {"schedule": "office", "closed_line": "second"},
              "line_second": {"groups": ["sales"], "schedule": "office", "closed_line": "vip"}}
    found = made(rules(schedule=OFFICE, **tables), now=NIGHT)
    assert (found.reason, found.line, queues(found)) == ("closed", "vip", ["vip"])
    assert [outcome for _, outcome in steps(found, "schedule")] == ["closed: line second", "closed: line vip"]
    tables["line_vip"] = {"schedule": "office"}
    assert made(rules(schedule=OFFICE, **tables), now=NIGHT).reason == "closed"
    assert made(rules(schedule=OFFICE, **tables), now=NIGHT).target is None
    assert made(rules(schedule=OFFICE, **tables)).line == "helpdesk"


def test_a_list_leads_to_a_line_that_may_be_closed() -> None:
    centre = rules(schedule=OFFICE, line_vip={"schedule": "office", "closed_line": "helpdesk"},
                   list={"vip": {"numbers": [CALLER], "line": "vip"}})
    assert (made(centre).line, made(centre, now=NIGHT).line) == ("vip", "helpdesk")


def test_who_waits_already_is_not_sent_away_at_closing_time() -> None:
    centre = rules(schedule=OFFICE, line_helpdesk={"schedule": "office"}, number_381115550300={"schedule": "office"},
                   list={"vip": {"numbers": [CALLER], "agent": "1001"}})
    first = made(centre)
    assert first.base_score is not None and first.call_class is not None
    earlier = Earlier(first.call_class, first.base_score, first.reason, line=first.line, decision="d",
                      tried=first.tried)
    found = made(centre, now=NIGHT, earlier=earlier)
    assert (found.line, found.target and found.target.queue, found.base_score) == (
        "helpdesk", "helpdesk@fsapp", first.base_score)


FAULTY = [
    ({"list": {"a": {"numbers": ["*"]}}}, "'*' is empty and would fit everybody"),
    ({"list": {"a": {"numbers": ["38160*"]}}}, "'38160*' is no beginning of a number"),
    ({"list": {"a": {"numbers": ["+38160**"]}}}, "is no beginning of a number"),
    ({"list": {"a": {"numbers": [CALLER], "agent": "9999"}}}, "there is no agent '9999'"),
    ({"list": {"a": {"numbers": [CALLER], "agents": ["9999"]}}}, "there is no agent '9999'"),
    ({"list": {"a": {"numbers": [CALLER], "group": "no"}}}, "there is no group 'no'"),
    ({"list": {"a": {"numbers": [CALLER], "line": "no"}}}, "there is no line 'no'"),
    ({"list": {"a": {"numbers": [CALLER], "stage": "no/no"}}}, "there is no stage 'no/no'"),
    ({"list": {"a": {"numbers": [CALLER], "stage": "renewals/first-call"}}}, "is no stage of new customers"),
    ({"list": {"a": {"numbers": [CALLER], "wait_s": 5}}}, "is of the list's own agents"),
    ({"list": {"a": {"numbers": [CALLER], "agents": ["1001"], "priority": {"1002": 3}}}},
     "is not of this list's agents"),
    ({"check": [{"from": [""], "line": "vip"}]}, "'' is empty and would fit everybody"),
    ({"check": [{"to": ["anonymous"], "line": "vip"}]}, "'anonymous' is no beginning"),
    ({"check": [{"from": [], "line": "vip"}]}, "is empty and would fit everybody"),
    ({"check": [{"line": "vip"}]}, "fits every call"),
    ({"check": [{"from": ["+381"]}]}, "leads nowhere"),
    ({"check": [{"from": ["+381"], "line": "no"}]}, "there is no line 'no'"),
    ({"check": [{"from": ["+381"], "next": "no"}]}, "there is no check 'no'"),
    ({"check": [{"name": "a", "from": ["+381"], "next": "a"}]}, "the chain would go round"),
    ({"check": [{"name": "a", "from": ["+381"], "next": "end"}, {"from": ["+382"], "next": "a"}]},
     "the chain would go round"),
    ({"check": [{"name": "a", "from": ["+381"], "line": "vip"}, {"name": "a", "from": ["+382"], "line": "vip"}]},
     "is the name of check 1 already"),
    ({"check": [{"name": "end", "from": ["+381"], "line": "vip"}]}, "is what ends a chain"),
    ({"check": {"a": {}}}, "must be a list; write [[check]]"),
    ({"check": [{"from": ["+381"], "schedule": "no", "line": "vip"}]}, "there is no schedule 'no'"),
    ({"schedule": {"s": {"timezone": "Europe/Belgrade"}}}, "is never open"),
    ({"schedule": {"s": {"timezone": "Europe/Nowhere", "hours": ["mon 08:00-09:00"]}}}, "is no time zone"),
    ({"schedule": {"s": {"timezone": "UTC", "hours": ["mon 8-9"]}}}, "is no hours"),
    ({"schedule": {"s": {"timezone": "UTC", "hours": ["mon 08:00-09:00"], "holidays": ["1.5."]}}}, "is no date"),
    ({"schedule": {"s": {"timezone": "UTC", "exceptions": ["05-01 08:00-09:00"]}}}, "is no day with hours"),
    ({"line_vip": {"groups": ["support"], "closed_line": "helpdesk"}}, "which it never is"),
    ({"line_vip": {"groups": ["support"], "schedule": "no"}}, "there is no schedule 'no'"),
    ({"schedule": OFFICE, "line_vip": {"schedule": "office", "closed_line": "vip"}}, "goes round: vip > vip"),
    ({"schedule": OFFICE, "line_vip": {"schedule": "office", "closed_line": "helpdesk"},
      "line_helpdesk": {"schedule": "office", "closed_line": "vip"}}, "goes round: helpdesk > vip > helpdesk"),
    ({"schedule": OFFICE, "number_381115550300": {"schedule": "office", "closed_line": "vip", "closed_flow": "main"}},
     "has a closed_line and a closed_flow"),
    ({"line_list-a": {"groups": ["support"]}}, "begins like the queue of an agent, a group or a list"),
]


def test_checks_keep_their_order_in_one_file_and_are_shown_and_compared_by_name(tmp_path: Path) -> None:
    document = judged(
        schedule=OFFICE, list={"a": {"numbers": [CALLER], "agents": ["1001"], "priority": {"1001": 3}}},
        check=[{"name": "z", "from": ["+381"], "next": "b"}, {"from": ["+1"], "line": "vip"},
               {"name": "b", "to": [DESK], "agent": "1001"}]).document
    (tmp_path / "a.toml").write_text(to_toml(document))
    again = check(tmp_path)
    assert again.faults == ()
    assert again.document == document
    assert [entry.get("name") for entry in again.document["check"]] == ["z", None, "b"]
    other = {**document, "check": [document["check"][2], *document["check"][:2]]}
    assert {str(change) for change in diff(document, other)} == {
        "~ check.z.place = 1 -> 2", "~ check.b.place = 3 -> 1",
        "+ check.no-3.from = ['+1']", "+ check.no-3.line = 'vip'", "+ check.no-3.place = 3",
        "- check.no-2.from = ['+1']", "- check.no-2.line = 'vip'", "- check.no-2.place = 2"}
    (tmp_path / "b.toml").write_text('[[check]]\nname = "y"\nfrom = ["+381x"]\nline = "vip"\n')
    assert [line for line in check(tmp_path).faults if "check: is also in a.toml" in line]


def test_a_fault_in_a_check_says_where_it_stands(tmp_path: Path) -> None:
    document = load_folder(ROOT / "conf/rules")
    (tmp_path / "a.toml").write_text(to_toml(document))
    (tmp_path / "b.toml").write_text('[[check]]\nname = "y"\nfrom = ["+381"]\nline = "no"\n\n[[check]]\nto = [""]\n'
                                     'line = "vip"\n')
    found = check(tmp_path).faults
    assert [line.partition("; ")[0] for line in found] == [
        "b.toml:4: check.y.line: there is no line 'no'",
        "b.toml:7: check.no-2.to: '' is empty and would fit everybody"]


@pytest.mark.parametrize(("tables", "said"), FAULTY)
def test_what_the_check_refuses(tables: dict[str, Any], said: str) -> None:
    assert [line for line in judged(**tables).faults if said in line]


@pytest.mark.parametrize(("tables", "said"), [
    ({"list": {"a": {"numbers": ["+38160*"], "line": "vip"}, "b": {"numbers": [CALLER], "line": "helpdesk"}}},
     f"list.b.numbers: {CALLER} is in list a too, which leads elsewhere"),
    ({"list": {"a": {"numbers": ["+3816012*"], "line": "vip"}, "b": {"numbers": ["+38160*"], "agent": "1001"}}},
     "list.b.numbers: +3816012* is in list a too"),
    ({"list": {"a": {"numbers": [CALLER], "agents": ["1001"], "priority": {"1001": 0}}}}, "has nobody who answers"),
    ({"schedule": OFFICE, "line": {"vip": {"groups": ["support"], "schedule": "office", "closed_line": "night"},
                                   "night": {}, "helpdesk": {"groups": ["support"]}}},
     "line.vip.closed_line: leads to night, where nobody answers"),
    ({"schedule": OFFICE, "number_381115550300": {"schedule": "office", "closed_line": "night"}, "line_night": {}},
     "number.+381115550300.closed_line: leads to night, where nobody answers"),
    ({"list": {"a": {"numbers": ["+38160*"], "line": "vip"}, "b": {"numbers": [CALLER], "line": "vip"},
               "c": {"numbers": [CALLER], "vip": 3}}}, None),
])
def test_what_it_warns_of(tables: dict[str, Any], said: str | None) -> None:
    checked = judged(**tables)
    assert checked.faults == ()
    assert [line for line in checked.warnings if said and said in line] or not (said or checked.warnings)
