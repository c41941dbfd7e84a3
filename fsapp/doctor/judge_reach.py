"""Judges who answers: Redis, the switch, `fsapp serve`, the link. Asks nobody."""

from __future__ import annotations

from collections.abc import Iterator

from fsapp.core.dialling import gateway_of
from fsapp.doctor.facts import Facts, NotAsked
from fsapp.doctor.finding import Finding

__all__ = ["link", "outside", "redis", "serve", "switch"]


def redis(facts: Facts) -> Iterator[Finding]:
    """Redis answers and takes writes."""
    if isinstance(facts.redis, NotAsked):
        yield _split(facts.redis.why)
    elif facts.redis.refuses:
        yield _split(facts.redis.refuses)
    else:
        yield Finding.ok(f"Redis at {facts.redis.where} answers and takes writes")


def switch(facts: Facts) -> Iterator[Finding]:
    """The switch lets us in, and is the one that the settings name."""
    if isinstance(facts.switch, NotAsked):
        yield _split(facts.switch.why)
        return
    yield Finding.ok(f"the switch at {facts.switch.where} answers")
    ours, theirs = facts.settings.switch_name, facts.switch.name
    named = {} if facts.rules is None or isinstance(facts.rules, NotAsked) else facts.rules.switches
    if named and ours not in named:
        yield Finding.fault(
            f"the rules know no switch {ours}, but {', '.join(named)}: nothing on it follows them",
            "set FSAPP_SWITCH_NAME to one of these, or name it in the rules ([switch.NAME])")
    if isinstance(theirs, NotAsked):
        yield Finding.unseen(f"whether the switch calls itself {ours}: {theirs.why}")
    elif theirs != ours:
        yield Finding.fault(
            f"the switch calls itself {theirs}, the settings call it {ours}",
            "make fsapp_switch in the switch's variables and FSAPP_SWITCH_NAME one")


def serve(facts: Facts) -> Iterator[Finding]:
    """Somebody answers where the switch will hand over its calls."""
    if facts.serve:
        yield Finding.fault(
            f"nobody answers at {facts.settings.listen} ({facts.serve}): every call goes to the fallback",
            "start fsapp, after the one that hangs, if there is one, has been ended: `fsapp up`")
    else:
        yield Finding.ok(f"fsapp serve answers at {facts.settings.listen}")


def link(facts: Facts) -> Iterator[Finding]:
    """Somebody holds the link to the switch."""
    name = facts.settings.switch_name
    if isinstance(facts.link, NotAsked):
        yield Finding.unseen(f"whether anybody holds the link: {facts.link.why}")
    elif not facts.link:
        yield Finding.fault(
            f"nobody holds the link to switch {name}: queues do not follow the rules, the floor is not known",
            "start fsapp: `fsapp up`")
    else:
        yield Finding.ok(f"the link to switch {name} is held by {facts.link}")


def outside(facts: Facts) -> Iterator[Finding]:
    """Customers can be called: the gateway of the rules' route is there, and up."""
    rules = facts.rules
    if isinstance(facts.switch, NotAsked):
        yield Finding.unseen("the way to customers: the switch was not reached")
    elif isinstance(facts.switch.gateway, NotAsked) or rules is None or isinstance(rules, NotAsked):
        why = facts.switch.gateway.why if isinstance(facts.switch.gateway, NotAsked) else "no rules are loaded"
        yield Finding.unseen(f"the way to customers: {why}")
    elif facts.switch.gateway == "UP":
        yield Finding.ok(f"customers are called by gateway {gateway_of(rules.dialling)}, which is up")
    else:
        name = gateway_of(rules.dialling)
        wrong = f"gateway {name} is down" if facts.switch.gateway else f"the switch has no gateway {name}"
        yield Finding.warning(
            f"{wrong}: no customer can be called back",
            "set fsapp_trunk in own/vars.xml of the switch, or another route in [dial] of the rules")


def _split(line: str) -> Finding:
    """Our faults say `what is wrong: what to do` in one line."""
    what, _, todo = line.rpartition(": ")
    return Finding.fault(what, todo) if what else Finding.fault(line, "see its log")
