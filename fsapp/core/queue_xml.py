"""The callcenter.conf that the rules imply, as XML: queues, agents, tiers. Pure; reads no file and asks no switch.

The one place where it is made: the switch gets it from here, and `fsapp switch config` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape

from fsapp.core.people import Agent
from fsapp.core.rules import MAIN, Queue, Rules, Strategy

__all__ = [
    "AWAY_WAIT_S", "LOWEST_LEVEL", "MOH", "agent_contact", "callcenter_document", "queue_parameters", "tiers",
]

_QUOTES = {'"': "&quot;"}
_STRATEGIES = {
    Strategy.LONGEST_IDLE: "longest-idle-agent", Strategy.LEAST_BUSY: "agent-with-least-talk-time",
    Strategy.FEWEST_CALLS: "agent-with-fewest-calls",
}
LOWEST_LEVEL = 11  # a tier's level is this minus the agent's priority: 10 is level 1, 1 is level 10
# How long a caller stays in a queue that is at home on another switch before the dialplan carries the call there.
AWAY_WAIT_S = 10
# The switch fills in ${...} for each caller, from its global variables where the call has none of that name.
MOH = "file_string://${fsapp_sounds}/please-wait.wav!${fsapp_waiting_tone}"


def callcenter_document(
    rules: Rules, switch: str = MAIN, queue: str | None = None, settings: Mapping[str, str] | None = None,
) -> str:
    """The <configuration> of mod_callcenter on one switch; with `queue` of that queue alone, empty if there is none.

    `settings` are the module's own. No <agent> has a status: the module would set it whenever it reads the agent.
    """
    wanted = list(rules.queues.values()) if queue is None else [rules.queues[queue]] if queue in rules.queues else []
    lines = ['<configuration name="callcenter.conf" description="The queues, agents and tiers of the rules">']
    lines += ["  <settings>", *_parameters(settings or {}, "    "), "  </settings>"]
    lines.append("  <queues>")
    for one in wanted:
        lines += [f"    <queue {_attributes({'name': one.name})}>",
                  *_parameters(queue_parameters(one, switch), "      "), "    </queue>"]
    lines.append("  </queues>")
    if queue is None:
        lines += ["  <agents>", *(_agent(one) for one in rules.agents.values() if one.home == switch), "  </agents>"]
        lines.append("  <tiers>")
        lines += [
            "    <tier " + _attributes({"agent": agent, "queue": name, "level": level, "position": 1}) + "/>"
            for name, agent, level in tiers(rules, switch)
        ]
        lines.append("  </tiers>")
    return "\n".join([*lines, "</configuration>"]) + "\n"


def queue_parameters(queue: Queue, switch: str = MAIN) -> dict[str, str]:
    """What mod_callcenter is told of a queue; `max-wait-time` 0 is no limit."""
    wait_s = queue.wait_s or 0
    if queue.home != switch:
        wait_s = min(wait_s or AWAY_WAIT_S, AWAY_WAIT_S)
    return {
        "strategy": _STRATEGIES[queue.strategy], "moh-sound": MOH, "time-base-score": "system",
        "tier-rules-apply": "false", "max-wait-time": str(wait_s),
    }


def agent_contact(agent: Agent) -> str:
    """What the switch dials for an agent, with how long it rings."""
    return f"[leg_timeout={agent.ring_s}]{agent.contact}"


def tiers(rules: Rules, switch: str = MAIN) -> Iterator[tuple[str, str, int]]:
    """Queue, agent and level of every tier on one switch: of the queues at home there, none for priority 0."""
    for queue in rules.queues.values():
        if queue.home == switch:
            for agent, priority in queue.staff.items():
                if priority:
                    yield queue.name, agent, LOWEST_LEVEL - priority


def _agent(agent: Agent) -> str:
    return "    <agent " + _attributes({
        "name": agent.id, "type": "callback", "contact": agent_contact(agent),
        "max-no-answer": agent.max_no_answer, "wrap-up-time": agent.wrap_up_s,
        "reject-delay-time": agent.reject_delay_s, "busy-delay-time": agent.busy_delay_s,
        "no-answer-delay-time": agent.no_answer_delay_s,
    }) + "/>"


def _parameters(values: Mapping[str, str], indent: str) -> list[str]:
    return [f"{indent}<param {_attributes({'name': name, 'value': value})}/>" for name, value in values.items()]


def _attributes(values: Mapping[str, object]) -> str:
    return " ".join(f'{name}="{escape(str(value), _QUOTES)}"' for name, value in values.items())
