"""`fsapp agents login|logout|status`: have the link of an agent's switch set the agent's status. Sets none itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import click

from fsapp.core.clean import clean_text
from fsapp.core.floor import AgentStatus
from fsapp.core.healing import NO_PHONE, NO_PHONE_ON_DEMAND
from fsapp.core.people import Agent
from fsapp.core.rules import Rules
from fsapp.core.sync import NO_ANSWER
from fsapp.errors import FsappError, RulesError

__all__ = ["find_agent", "login", "logout", "status"]

MAX_REASON = 64
_WORDS = {
    "available": AgentStatus.AVAILABLE, "on-demand": AgentStatus.ON_DEMAND, "break": AgentStatus.ON_BREAK,
}
_OURS = (NO_PHONE, NO_PHONE_ON_DEMAND, NO_ANSWER)
_who = click.argument("who", metavar="ID|E-MAIL")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@_who
@_json
@click.pass_obj
def login(obj: Any, who: str, as_json: bool) -> None:
    """Let an agent take calls."""
    _set(obj, who, AgentStatus.AVAILABLE, "", as_json)


@click.command()
@_who
@_json
@click.pass_obj
def logout(obj: Any, who: str, as_json: bool) -> None:
    """Offer an agent no more calls; one that rings goes on to others, a talk goes on."""
    _set(obj, who, AgentStatus.LOGGED_OUT, "", as_json)


@click.command()
@_who
@click.argument("word", metavar="available|on-demand|break", type=click.Choice(list(_WORDS)))
@click.option("--reason", default="", metavar="WORD", help="Of a break; one of the centre's `breaks` where it has any.")
@_json
@click.pass_obj
def status(obj: Any, who: str, word: str, reason: str, as_json: bool) -> None:
    """Set what an agent is: available, available for one call at a time (on-demand), or on a break."""
    if reason and word != "break":
        raise click.UsageError(f"--reason belongs to a break, not to {word}")
    _set(obj, who, _WORDS[word], reason, as_json)


def _set(obj: Any, who: str, wanted: AgentStatus, reason: str, as_json: bool) -> None:
    from fsapp.state.connection import PATIENT_S, connect
    from fsapp.state.requests import ask
    from fsapp.state.rules import RulesStore

    client = connect(obj.settings, PATIENT_S)
    version = RulesStore(client).current()
    if version is None:
        raise RulesError("no rules are loaded: run `fsapp rules load`")
    rules = version.rules()
    agent = find_agent(rules, who)
    what = {"do": "agent_status", "agent": agent.id, "status": str(wanted), "reason": _reason(reason, rules)}
    answer = {"name": agent.name, **ask(client, agent.home, what)}
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else _sentence(answer))


def find_agent(rules: Rules, who: str) -> Agent:
    """The agent with this id or e-mail; FsappError with near ones when there is none."""
    by_email = {agent.email.casefold(): agent for agent in rules.agents.values()}
    found = rules.agents.get(who) or by_email.get(who.casefold())
    if found is not None:
        return found
    names = {**by_email, **{agent.name.casefold(): agent for agent in rules.agents.values()}, **rules.agents}
    near = {names[name].id: names[name] for name in get_close_matches(who.casefold(), names, n=5)}
    hint = " or ".join(f"{agent.id} ({agent.name}, {agent.email})" for agent in near.values())
    raise FsappError(f"there is no agent {who}: " + (f"did you mean {hint}?" if hint else "see `fsapp agents list`"))


def _reason(reason: str, rules: Rules) -> str:
    reason = clean_text(reason, MAX_REASON)
    if reason and rules.breaks and reason not in rules.breaks:
        raise FsappError(f"{reason!r} is no reason for a break here: there are {', '.join(rules.breaks)}")
    if reason in _OURS:
        raise FsappError(f"{reason!r} is what fsapp says of a break that nobody asked for: write another reason")
    return reason


def _sentence(answer: Mapping[str, Any]) -> str:
    reason = f" ({answer['reason']})" if answer.get("reason") else ""
    said = f"Agent {answer.get('agent')} ({answer['name']}) is {answer.get('status')}{reason}"
    return f"{said}; {answer['warning']}." if answer.get("warning") else f"{said}."
