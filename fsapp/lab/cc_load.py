"""mod_callcenter's configuration: queues, agents and tiers out of callcenter.conf, all of it or one at a time.

Behaviour as of FreeSWITCH 1.10.12 (load_config, load_queue, load_agent, load_tiers): what the document names is added
or changed, what it does not name stays, and an agent's status is touched only where it gives one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, tostring

from fsapp.lab.callcenter import AGENT_STATUSES, Agent, CallCenter, Queue, Tier
from fsapp.lab.cc_tables import Result, add_agent, add_tier, number, update_agent, update_tier
from fsapp.log import get_logger

if TYPE_CHECKING:
    from fsapp.lab.configuration import Configuration

__all__ = ["FILE", "Loader", "queue_from", "written"]

_log = get_logger("lab")
FILE = "callcenter.conf"
_TRUE = ("yes", "on", "true", "t", "enabled", "active", "allow")
_MOST_S = 86_400
_AGENT_KEYS = (
    ("contact", "contact"), ("status", "status"), ("wrap-up-time", "wrap_up_time"),
    ("max-no-answer", "max_no_answer"), ("reject-delay-time", "reject_delay_time"),
    ("busy-delay-time", "busy_delay_time"), ("no-answer-delay-time", "no_answer_delay_time"),
)


def _true(value: str) -> bool:
    return value.lower() in _TRUE or (value.isdecimal() and int(value) != 0)


def _seconds(default: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        wanted = number(value) if value.lstrip("+-").isdecimal() else -1
        if 0 <= wanted <= _MOST_S:
            return wanted
        _log.error("queue_setting_invalid", value=value, default=default)
        return default
    return read


def _wait(value: str) -> int | None:
    return _seconds(0)(value) or None


# What a queue may be told, by its name there: the field, and how it is read.
_SETTINGS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "strategy": ("strategy", str), "moh-sound": ("moh_sound", str), "record-template": ("record_template", str),
    "time-base-score": ("time_base_score", str), "agent-no-answer-status": ("no_answer_status", str),
    "max-wait-time": ("wait_s", _wait), "max-wait-time-with-no-agent": ("no_agent_wait_s", _seconds(0)),
    "max-wait-time-with-no-agent-time-reached": ("no_agent_grace_s", _seconds(5)),
    "discard-abandoned-after": ("discard_abandoned_s", _seconds(60)),
    "abandoned-resume-allowed": ("resume_allowed", _true), "tier-rules-apply": ("tier_rules_apply", _true),
    "tier-rule-wait-second": ("tier_rule_wait_s", _seconds(0)),
    "tier-rule-wait-multiply-level": ("tier_rule_multiply", _true),
    "tier-rule-no-agent-no-wait": ("tier_rule_no_wait", _true),
    "ring-progressively-delay": ("ring_delay_s", _seconds(0)),
    "skip-agents-with-external-calls": ("skip_external", _true),
}


def queue_from(element: Element) -> Queue:
    """A queue as its element says, the rest as mod_callcenter has it by default."""
    values: dict[str, Any] = {"time_base_score": "queue"}
    for param in element.findall("param"):
        setting = _SETTINGS.get(param.get("name", ""))
        if setting is not None:
            values[setting[0]] = setting[1](param.get("value", ""))
    if values.get("no_answer_status", "On Break").lower() not in (status.lower() for status in AGENT_STATUSES):
        _log.warning("queue_no_answer_status_invalid", queue=element.get("name"), status=values["no_answer_status"])
        values["no_answer_status"] = "On Break"
    return Queue(element.get("name", ""), **values)


def _written(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def written(queues: Iterable[Queue], agents: Iterable[Agent], tiers: Iterable[Tier]) -> str:
    """The file callcenter.conf that says these, without the agents' status: for a switch that is given them."""
    root = Element("configuration", name=FILE)
    places, people, served = (SubElement(root, tag) for tag in ("queues", "agents", "tiers"))
    for queue in queues:
        element = SubElement(places, "queue", name=queue.name)
        for name, (field, _) in _SETTINGS.items():
            value = getattr(queue, field)
            if value not in (None, ""):
                SubElement(element, "param", name=name, value=_written(value))
    for agent in agents:
        element = SubElement(people, "agent", name=agent.name, type=agent.type, contact=agent.contact)
        for attribute, key in _AGENT_KEYS[2:]:
            element.set(attribute, str(getattr(agent, key)))
    for tier in tiers:
        SubElement(
            served, "tier", queue=tier.queue, agent=tier.agent, level=str(tier.level), position=str(tier.position))
    return tostring(root, encoding="unicode")


class Loader:
    """Loads into one call centre; every method may wait for whoever answers for the configuration."""

    def __init__(self, centre: CallCenter, configuration: Configuration) -> None:
        self._centre = centre
        self._configuration = configuration

    def everything(self) -> bool:
        """What the module does when it is loaded; False: there is no configuration, and so no mod_callcenter."""
        document = self._configuration.find(FILE)
        if document is None:
            return False
        settings = {
            param.get("name", ""): param.get("value", "") for param in document.findall("settings/param")
        }
        if _true(settings.get("truncate-tiers-on-load", "")):
            self._centre.forget_tiers()
        if _true(settings.get("truncate-agents-on-load", "")):
            self._centre.agents.clear()
        for element in document.findall("queues/queue"):
            self._centre.put_queue(queue_from(element))
        self._agents(document)
        if document.find("tiers") is not None:
            self._tiers(document)
        else:
            self.tiers()
        return True

    def queue(self, name: str, *, people: bool) -> Queue | None:
        """One queue anew, `people`: with all agents and tiers that are said along with it; None: nobody knows it."""
        document = self._configuration.find(FILE, [("CC-Queue", name)])
        if document is None:
            return None
        found = next((item for item in document.findall("queues/queue") if item.get("name") == name), None)
        if found is None:
            return None
        queue = queue_from(found)
        self._centre.put_queue(queue)
        if people:
            self._agents(document)
            self._tiers(document)
        return queue

    def agent(self, name: str) -> bool:
        """One agent as it is said now; False only where there is no configuration at all."""
        document = self._configuration.find(FILE)
        if document is None:
            return False
        self._agents(document, name)
        return True

    def tiers(self, queue: str = "", agent: str = "") -> bool:
        """The tiers of a queue, of an agent, of both or all; whether there was one."""
        document = self._configuration.find(FILE)
        return document is not None and self._tiers(document, queue.lower(), agent.lower())

    def _agents(self, document: Element, only: str = "") -> None:
        for element in document.findall("agents/agent"):
            name, kind = element.get("name"), element.get("type")
            if name is None or kind is None or (only and name != only):
                continue
            added = add_agent(self._centre, name, kind)
            if added not in (Result.DONE, Result.AGENT_EXISTS):
                continue
            for attribute, key in _AGENT_KEYS:
                value = element.get(attribute)
                if value is not None:
                    update_agent(self._centre, key, value, name)
            if added is Result.AGENT_EXISTS:
                update_agent(self._centre, "type", kind, name)

    def _tiers(self, document: Element, queue: str = "", agent: str = "") -> bool:
        found = False
        for element in document.findall("tiers/tier"):
            place, who = element.get("queue", ""), element.get("agent", "")
            if (queue and place.lower() != queue) or (agent and who.lower() != agent):
                continue
            found = True
            self._tier(place, who, element.get("level") or "1", element.get("position") or "1")
        return found

    def _tier(self, queue: str, agent: str, level: str, position: str) -> None:
        if (queue, agent) not in self._centre.tiers:
            add_tier(self._centre, queue, agent, number(level), number(position))
        else:
            update_tier(self._centre, "level", level, queue, agent)
            update_tier(self._centre, "position", position, queue, agent)
