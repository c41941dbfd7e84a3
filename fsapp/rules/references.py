"""What one table of a rules document says of another: faults and warnings. Leaves what `schema` settles alone to it.

The document may be faulty in any way: what is not of the right type is passed over here and refused there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fsapp.core.model import NumberKind
from fsapp.core.numbers import normalise
from fsapp.core.rules import DialedNumber, Rules, Stage, StageKind, Stickiness
from fsapp.rules.finding import Finding
from fsapp.rules.flows import flow_faults, survey_faults
from fsapp.rules.folder import Path
from fsapp.rules.schema import is_region

__all__ = ["known", "references", "spelling", "table", "texts", "twice", "warnings"]


def references(document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    """Every fault between the tables. Without `complete`, names that are not there may be in an unread file."""
    yield from _numbers(document, complete)
    entries = document.get("number")
    declared = {entry.get("number") for entry in entries if isinstance(entry, Mapping)
                and isinstance(entry.get("number"), str)} if isinstance(entries, list) else set()
    for path, spec in _stages(document):
        yield from _stage(path, spec, document, declared if complete else None)
        yield from _staff(path, spec, _campaign_of(path, document), document, complete)
    yield from _claims(document)
    for name, spec in _entries(document, "campaign"):
        yield from _campaign_staff(("campaign", name), spec, document, complete)
    for name, spec in _entries(document, "line"):
        yield from _staff(("line", name), spec, {}, document, complete)
    for path, spec in (
        *_stages(document), *((("campaign", name), spec) for name, spec in _entries(document, "campaign")),
        *((("line", name), spec) for name, spec in _entries(document, "line")),
    ):
        yield from known((*path, "survey"), spec, "flow", document, complete)
        yield from survey_faults(path, spec, document)
    for name, spec in _entries(document, "group"):
        yield from _known_agents(("group", name, "agents"), spec, document, complete)
    yield from _emails(document)
    yield from _homes(document, complete)
    yield from _addresses(document)
    for name, spec in _entries(document, "flow"):
        yield from known(("flow", name, "line"), spec, "line", document, complete)
    yield from flow_faults(document, complete, lambda line: _members(line, document))
    centre = table(document, "centre")
    yield from known(("centre", "unknown_flow"), centre, "flow", document, complete)


def warnings(rules: Rules) -> Iterator[Finding]:
    """What a sound document would do that its author may not want."""
    yield from _of_no_use(rules)
    for number in rules.numbers.values():
        stage = number.new_customers
        if stage is not None and not stage.answering:
            yield Finding((*_path(stage.campaign, stage.name), "numbers"), _trap(number, stage.strict))
    for stage in rules.stages.values():
        path = _path(stage.campaign, stage.name)
        if not stage.numbers:
            outbound = stage.kind is StageKind.OUTBOUND
            yield Finding(path, "has no caller_ids: nobody it calls can call back" if outbound
                          else "has no numbers: no call reaches it")
        elif not stage.answering and stage.kind is StageKind.OUTBOUND:
            yield Finding(path, "has nobody who answers: its callbacks would wait without end; give it agents")
    for line in rules.lines.values():
        if not any(line.staff.values()):
            yield Finding(("line", line.name), "has nobody who answers: its calls would wait without end; "
                          "give it groups or agents")
    for place in (*rules.stages.values(), *rules.lines.values()):
        if place.recording.announce and not place.recording:
            path = _path(place.campaign, place.name) if isinstance(place, Stage) else ("line", place.name)
            yield Finding(path, 'announce says nothing where nothing is recorded: set record = "both", or remove it')
    for group in rules.groups.values():
        if not group.agents:
            yield Finding(("group", group.name), "has no agents")
    grouped = {agent for group in rules.groups.values() for agent in group.agents}
    for agent in rules.agents:
        if agent not in grouped:
            yield Finding(("agent", agent), "is in no group; add this agent to one, so that somebody stands in")


def _of_no_use(rules: Rules) -> Iterator[Finding]:
    """What is said of stickiness or direct callback where there is none."""
    sticky = {stage.campaign for stage in rules.stages.values() if stage.stickiness is not Stickiness.NONE}
    for place in (*rules.stages.values(), *rules.lines.values()):
        path = _path(place.campaign, place.name) if isinstance(place, Stage) else ("line", place.name)
        if place.stickiness is not Stickiness.NONE or (isinstance(place, Stage) and place.campaign in sticky):
            continue
        for key in ("busy", "scope"):
            if getattr(place.sticky, key) is not getattr(rules.sticky, key):
                yield Finding(path, f"sticky_{key} says nothing here, where nobody is sticky: set stickiness")
    off = not any(said.get("direct_callback") for said in (
        rules.callback, *(one.callback for one in (*rules.agents.values(), *rules.stages.values()))))
    for path, said in (
        *((_path(stage.campaign, stage.name), stage.callback) for stage in rules.stages.values()),
        *((("agent", agent.id), agent.callback) for agent in rules.agents.values()),
    ):
        if off and "direct_callback_s" in said:
            yield Finding(path, "direct_callback_s says nothing while direct_callback is 0 everywhere: set that to 1-4")


def _trap(number: DialedNumber, strict: bool) -> str:
    line = number.line.name if number.line else number.flow.line if number.flow else None
    said = f"nobody of this stage answers calls to {number.number}: "
    if line is None:
        return said + "there is no service line either, new customers would wait without end; give the stage agents"
    if strict:
        return said + f"being strict it swallows the service calls of line {line} too; give it agents or remove strict"
    return said + f"new customers fall through to line {line}; give the stage agents if that is not meant"


def _path(campaign: str, stage: str) -> Path:
    return ("campaign", campaign, "stage", stage)


def table(spec: object, key: str) -> Mapping[str, Any]:
    """The table at a key; an empty one where there is none."""
    value = spec.get(key) if isinstance(spec, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def texts(spec: Mapping[str, Any], key: str) -> list[str]:
    """The texts in the list at a key."""
    value = spec.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _entries(document: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, spec in table(document, kind).items():
        if isinstance(spec, Mapping):
            yield name, spec


def _stages(document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for campaign, spec in _entries(document, "campaign"):
        for name, stage in _entries(spec, "stage"):
            yield _path(campaign, name), stage


def _campaign_of(path: Path, document: Mapping[str, Any]) -> Mapping[str, Any]:
    return table(table(document, "campaign"), str(path[1]))


def _numbers_of(stage: Mapping[str, Any]) -> list[str]:
    return texts(stage, "caller_ids" if stage.get("kind") == "outbound" else "numbers")


def _region(document: Mapping[str, Any]) -> str:
    """The centre's country; where that is faulty, one that understands international spelling alone."""
    region = table(document, "centre").get("region")
    return region if is_region(region) else "ZZ"


def spelling(path: Path, written: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    """A fault where a number is not written as calls come with it."""
    number = normalise(written, _region(document))
    if number.e164 is None or number.extension is not None:
        what = "is a short number" if number.kind is NumberKind.SHORT else "is no telephone number"
        yield Finding(path, f"{written[:60]!r} {what}; write it in full with + and country, for example +381115550100")
    elif number.e164 != written:
        yield Finding(path, f"{written[:60]!r} is not the spelling calls come with; write {number.e164!r}")


def _numbers(document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    entries = document.get("number")
    seen: dict[str, int] = {}
    used = {number for _, stage in _stages(document) for number in _numbers_of(stage)}
    for index, spec in enumerate(entries if isinstance(entries, list) else ()):
        written = spec.get("number") if isinstance(spec, Mapping) else None
        if not isinstance(written, str):
            continue
        path: Path = ("number", index)
        yield from spelling((*path, "number"), written, document)
        meant = normalise(written, _region(document)).e164 or written
        if meant in seen:
            earlier = entries[seen[meant]]["number"]
            yield Finding(path, f"is here twice, the first time as {earlier[:60]!r}; keep one of them")
        seen.setdefault(meant, index)
        yield from known((*path, "line"), spec, "line", document, complete)
        yield from known((*path, "flow"), spec, "flow", document, complete)
        if "line" in spec and "flow" in spec:
            yield Finding(path, "has a line and a flow; keep one, a flow leads to a line of its own")
        elif "line" not in spec and "flow" not in spec and complete and not {written, meant} & used:
            yield Finding(path, "has nothing behind it; give it a line or a flow, or name it in a stage")


def known(path: Path, spec: Mapping[str, Any], kind: str, document: Mapping[str, Any],
          complete: bool) -> Iterator[Finding]:
    """A fault where the name that is the last key's value is none of the table `kind`."""
    name = spec.get(path[-1])
    if complete and isinstance(name, str) and name not in table(document, kind):
        yield Finding(path, _unknown(kind, name, document))


def _unknown(kind: str, name: str, document: Mapping[str, Any]) -> str:
    names = [there for there in table(document, kind) if there.isprintable() and len(there) <= 40]
    there = f"; there are {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}" if names else ""
    header = f"[{kind}.{'ID' if kind == 'agent' else 'NAME'}]"
    return f"there is no {kind} {name[:60]!r}; correct it or add {header}{there}"


def twice(path: Path, names: Iterable[str]) -> Iterator[Finding]:
    """A fault where a name is there more than once."""
    found = sorted(name for name, times in Counter(names).items() if times > 1)
    if found:
        yield Finding(path, f"names {', '.join(repr(name[:60]) for name in found[:8])} twice; keep one")


def _stage(path: Path, spec: Mapping[str, Any], document: Mapping[str, Any],
           declared: set[str] | None) -> Iterator[Finding]:
    kind = spec.get("kind")
    if kind not in ("outbound", "new-customers"):
        return
    foreign = ("numbers", "strict") if kind == "outbound" else ("caller_ids",)
    for key in foreign:
        if key in spec:
            better = "; write caller_ids" if key == "numbers" else "; write numbers" if key == "caller_ids" else ""
            yield Finding((*path, key), f"belongs to no stage of kind {kind!r}{better or '; remove it'}")
    key = "caller_ids" if kind == "outbound" else "numbers"
    yield from twice((*path, key), _numbers_of(spec))
    for number in dict.fromkeys(_numbers_of(spec)):
        wrong = list(spelling((*path, key), number, document))
        yield from wrong
        if not wrong and declared is not None and number not in declared:
            yield Finding((*path, key), f"{number} is no number of the centre; add it with [[number]]")


def _claims(document: Mapping[str, Any]) -> Iterator[Finding]:
    first: dict[str, Path] = {}
    for path, spec in _stages(document):
        if spec.get("kind") != "new-customers":
            continue
        for number in dict.fromkeys(_numbers_of(spec)):
            if number in first:
                other = "/".join(str(part) for part in first[number][1::2])
                yield Finding((*path, "numbers"), f"{number[:60]!r} belongs to the new-customers stage {other[:130]!r} "
                              "already; a number can have one such stage")
            first.setdefault(number, path)


def _known_agents(path: Path, spec: Mapping[str, Any], document: Mapping[str, Any],
                  complete: bool) -> Iterator[Finding]:
    agents = texts(spec, "agents")
    yield from twice(path, agents)
    for agent in dict.fromkeys(agents):
        if complete and agent not in table(document, "agent"):
            yield Finding(path, _unknown("agent", agent, document))


def _members(spec: Mapping[str, Any], document: Mapping[str, Any]) -> set[str]:
    groups = table(document, "group")
    named = {agent for group in texts(spec, "groups") for agent in texts(table(groups, group), "agents")}
    named |= set(texts(spec, "agents"))
    wanted = set(texts(spec, "skills"))
    if not wanted:
        return named
    skilled = {agent for agent, own in _entries(document, "agent") if wanted <= table(own, "skills").keys()}
    return named & skilled if named else skilled


def _staff(path: Path, spec: Mapping[str, Any], campaign: Mapping[str, Any], document: Mapping[str, Any],
           complete: bool) -> Iterator[Finding]:
    """Faults of the groups, agents and priorities of a line or stage; a stage has those of its campaign otherwise."""
    yield from _who(path, spec, document, complete)
    own = {key: campaign[key] for key in ("groups", "agents", "skills") if key in campaign} | dict(spec)
    yield from _priorities(path, spec, _members(own, document), document, complete)


def _campaign_staff(path: Path, spec: Mapping[str, Any], document: Mapping[str, Any],
                    complete: bool) -> Iterator[Finding]:
    yield from _who(path, spec, document, complete)
    members = _members(spec, document)
    for _, stage in _entries(spec, "stage"):
        members |= _members(stage, document)
    yield from _priorities(path, spec, members, document, complete)


def _who(path: Path, spec: Mapping[str, Any], document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    groups = texts(spec, "groups")
    yield from twice((*path, "groups"), groups)
    for group in dict.fromkeys(groups):
        if complete and group not in table(document, "group"):
            yield Finding((*path, "groups"), _unknown("group", group, document))
    yield from _known_agents((*path, "agents"), spec, document, complete)
    skills = texts(spec, "skills")
    yield from twice((*path, "skills"), skills)
    skilled = {skill for _, agent in _entries(document, "agent") for skill in table(agent, "skills")}
    for skill in dict.fromkeys(skills):
        if complete and skill not in skilled:
            yield Finding((*path, "skills"), f"no agent has the skill {skill[:60]!r}; correct it or give it to one")


def _priorities(path: Path, spec: Mapping[str, Any], members: set[str], document: Mapping[str, Any],
                complete: bool) -> Iterator[Finding]:
    for agent in table(spec, "priority"):
        if complete and agent not in members:
            message = _unknown("agent", agent, document)
            if agent in table(document, "agent"):
                message = "does not work here; add this agent to agents or remove the priority"
            yield Finding((*path, "priority", agent), message)


def _emails(document: Mapping[str, Any]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for agent, spec in _entries(document, "agent"):
        email = spec.get("email")
        if isinstance(email, str):
            if email.casefold() in first:
                yield Finding(("agent", agent, "email"),
                              f"is the e-mail of agent {first[email.casefold()]} already; imports find agents by it")
            first.setdefault(email.casefold(), agent)


def _addresses(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Two switches at one address: a call for the one would be carried to the other, or to where it is already."""
    first: dict[str, str] = {}
    for name, spec in _entries(document, "switch"):
        sip = spec.get("sip")
        if isinstance(sip, str):
            if sip.casefold() in first:
                yield Finding(("switch", name, "sip"), f"is the address of switch {first[sip.casefold()][:60]!r} "
                              "already; write where this one's profile for other switches listens")
            first.setdefault(sip.casefold(), name)


def _homes(document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    """Switches that are not there, and agents whose queues would be on several: none of these knows of the others."""
    centre = table(document, "centre")
    switches = [name for name, _ in _entries(document, "switch")]
    if len(switches) > 1 and "home" not in centre and complete:
        yield Finding(("centre", "home"), f"is missing; say which of {', '.join(switches[:8])} is the home of queues")
    home = centre.get("home", switches[0] if switches else None)
    places: list[tuple[Path, Mapping[str, Any], Mapping[str, Any]]] = [(("centre",), centre, {})]
    places += [(("line", name), spec, spec) for name, spec in _entries(document, "line")]
    places += [(("group", name), spec, {"agents": spec.get("agents")}) for name, spec in _entries(document, "group")]
    places += [(("list", name), spec, spec) for name, spec in _entries(document, "list") if texts(spec, "agents")]
    places += [(("campaign", name), spec, {}) for name, spec in _entries(document, "campaign")]
    places += [(path, spec, {**_campaign_of(path, document), **spec}) for path, spec in _stages(document)]
    serves = {name: {str(spec.get("home", home))} for name, spec in _entries(document, "agent")}
    for path, spec, whole in places:
        yield from known((*path, "home"), spec, "switch", document, complete)
        for agent in _members(whole, document):
            serves.setdefault(agent, set()).add(str(whole.get("home", home)))
    for name, spec in _entries(document, "agent"):
        yield from known(("agent", name, "home"), spec, "switch", document, complete)
        if complete and len(serves[name]) > 1:
            yield Finding(("agent", name, "home"), f"has queues on {len(serves[name])} switches, which do not know of "
                          "each other's calls; give all lines, stages and groups of this agent one home")
