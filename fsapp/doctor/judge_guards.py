"""Judges passwords and ports: who could get in who should not. Asks nobody, repeats no password."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from fsapp.doctor.facts import Facts, NotAsked
from fsapp.doctor.finding import Finding
from fsapp.doctor.passwords import Strength, strength
from fsapp.settings import split_address

__all__ = ["is_loopback", "passwords", "ports", "switch_password_fault"]

_EVENT_SOCKET = "the one in event_socket.conf.xml, and FSAPP_SWITCH_PASSWORD here and (the minimal switch) there"


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address; names count as loopback only where they say so."""
    try:
        found = ip_address(address.strip("[]"))
    except ValueError:
        return address == "localhost"
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def switch_password_fault(password: str) -> str:
    """What is wrong with our password for the switch, with what to do, in one line; empty if nothing is."""
    worth = strength(password)
    if worth is Strength.MISSING:
        return "the switch's password is not set: set FSAPP_SWITCH_PASSWORD to the one in event_socket.conf.xml"
    if worth is Strength.KNOWN:
        return f"the switch's password is FreeSWITCH's well-known default, or as well known: change {_EVENT_SOCKET}"
    return ""


def passwords(facts: Facts) -> Iterator[Finding]:
    """No password is a default, or missing where it is needed."""
    found = [*_switch_password(facts), *_phones(facts), *_redis(facts)]
    yield from found
    if not found:
        yield Finding.ok("no password is a default one")


def _switch_password(facts: Facts) -> Iterator[Finding]:
    fault = switch_password_fault(facts.settings.switch_password)
    if not facts.settings.switch_password:
        return  # the check of the switch says so
    if fault:
        what, _, todo = fault.partition(": ")
        yield Finding.fault(what, todo)
    elif facts.well_known_taken is True:
        yield Finding.fault(
            "the switch lets in whoever says FreeSWITCH's well-known default password", f"change {_EVENT_SOCKET}")
    elif strength(facts.settings.switch_password) is Strength.SHORT:
        yield Finding.warning("the switch's password is shorter than 8 characters", f"change {_EVENT_SOCKET}")


def _phones(facts: Facts) -> Iterator[Finding]:
    todo = "set FSAPP_PHONE_PASSWORD where the switch is started to a long one, or one for each agent in the directory"
    if isinstance(facts.switch, NotAsked):
        if facts.phone_password in (Strength.KNOWN, Strength.SHORT):
            yield Finding.fault(f"FSAPP_PHONE_PASSWORD is {facts.phone_password}", todo)
        return
    if facts.switch.default_password is Strength.KNOWN:
        yield Finding.fault(
            "default_password of the switch is the one of FreeSWITCH's example configuration",
            "change it in vars.xml, then restart the switch")
    by_strength: dict[Strength, list[str]] = {}
    for agent, worth in facts.switch.phone_passwords.items():
        if not isinstance(worth, NotAsked):
            by_strength.setdefault(worth, []).append(agent)
    for worth in (Strength.KNOWN, Strength.SHORT):
        if worth in by_strength:
            yield Finding.fault(f"the phones' password of {_some(by_strength[worth])} is {worth}", todo)
    if Strength.MISSING in by_strength:
        who = _some(by_strength[Strength.MISSING])
        yield Finding.warning(f"no phone of {who} can register: they have no password", todo)


def _redis(facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.redis, NotAsked):
        yield Finding.unseen("whether Redis wants a password: Redis was not reached")
    elif isinstance(facts.redis.open, NotAsked):
        yield Finding.unseen(f"whether Redis wants a password: {facts.redis.open.why}")
    elif facts.redis.open and (not facts.redis.local or _redis_exposed(facts)):
        yield Finding.fault(
            f"Redis at {facts.redis.where} lets in everybody who reaches it",
            "give it a password (requirepass) and put that into FSAPP_REDIS_URL, or let it listen on loopback only")


def ports(facts: Facts) -> Iterator[Finding]:
    """Nothing that rules calls is reached from elsewhere."""
    found = [*_event_socket(facts), *_ours(facts), *_profiles(facts)]
    if _redis_exposed(facts):
        found.append(Finding.warning(
            f"Redis listens on {_where(facts, _port_of_redis(facts))}",
            "let it listen on loopback only, or behind a firewall"))
    yield from found
    if isinstance(facts.machine.listening, NotAsked):
        yield Finding.unseen(f"what listens on this machine: {facts.machine.listening.why}")
    if not found:
        yield Finding.ok("event socket, fsapp and Redis are reached from this machine only")


def _event_socket(facts: Facts) -> Iterator[Finding]:
    host, port = split_address(facts.settings.switch)
    here = isinstance(facts.switch, NotAsked) or facts.switch.here
    where = _where(facts, port) if here and is_loopback(host) else ""
    said = facts.switch if isinstance(facts.switch, NotAsked) else facts.switch.event_socket
    if not where and not isinstance(said, NotAsked) and said and not is_loopback(said):
        where = f"{said}:{port}"
    if where and here:
        yield Finding.fault(
            f"the switch's event socket listens on {where}: whoever gets in there rules the switch and its machine",
            "set listen-ip to 127.0.0.1 in event_socket.conf.xml, then `fs_cli -x 'reload mod_event_socket'`")
    elif where:
        yield Finding.warning(
            f"the switch's event socket listens on {where}: whoever gets in there rules the switch and its machine",
            "allow this machine only (apply-inbound-acl in event_socket.conf.xml, and a firewall)")


def _ours(facts: Facts) -> Iterator[Finding]:
    there = facts.settings
    elsewhere = not isinstance(facts.switch, NotAsked) and not facts.switch.here
    for name, address, what in (
        ("listen", there.listen, "whoever reaches it can ask who our customers are"),
        ("http", there.http, "whoever reaches it sees the figures of the centre"),
        ("link_http", there.link_http, "whoever reaches it can stop recordings"),
        ("web_listen", there.web_listen, "tokens and customers pass the network where everybody can read them"),
    ):
        host, port = split_address(address)
        where = _where(facts, port) or ("" if is_loopback(host) else address)
        if not where:
            continue
        text = f"{name} is reached from elsewhere ({where}): {what}"
        todo = f"set FSAPP_{name.upper()} to 127.0.0.1:{port}"
        if name == "listen" and elsewhere:
            yield Finding.warning(text, "let a firewall allow the switch's address only")
        elif name in ("http", "web_listen"):
            yield Finding.warning(text, todo)
        else:
            yield Finding.fault(text, todo)


def _profiles(facts: Facts) -> Iterator[Finding]:
    """Profiles that take calls without a password, by the list of addresses of the same name."""
    if isinstance(facts.switch, NotAsked):
        yield Finding.unseen("the SIP profiles: the switch was not reached")
        return
    if isinstance(facts.switch.profiles, NotAsked):
        yield Finding.unseen(f"the SIP profiles: {facts.switch.profiles.why}")
        return
    for name, open_to_all in facts.switch.open_to.items():
        address = facts.switch.profiles.get(name, "")
        if address and not is_loopback(address) and open_to_all is True:
            yield Finding.fault(
                f"SIP profile {name} at {address} takes calls from everywhere without a password",
                f"name only the addresses that may call in the list {name} of acl.conf.xml, then `fs_cli -x reloadacl`")
    address = facts.switch.profiles.get("peers", "")
    alone = facts.rules is not None and not isinstance(facts.rules, NotAsked) and len(facts.rules.switches) < 2
    if address and not is_loopback(address) and alone:
        yield Finding.warning(
            f"SIP profile peers listens on {address}, and the rules name no other switch",
            "set fsapp_peer_ip to 127.0.0.1, or name the switches in the rules ([switch.NAME])")


def _redis_exposed(facts: Facts) -> bool:
    return bool(not isinstance(facts.redis, NotAsked) and facts.redis.local and _where(facts, _port_of_redis(facts)))


def _port_of_redis(facts: Facts) -> int:
    where = "" if isinstance(facts.redis, NotAsked) else facts.redis.where
    port = where.rpartition(":")[2].partition("/")[0]
    return int(port) if port.isdigit() else 0


def _where(facts: Facts, port: int) -> str:
    """The addresses other than loopback where something on this machine listens on a port."""
    if isinstance(facts.machine.listening, NotAsked) or not port:
        return ""
    return ", ".join(
        f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
        for ip in facts.machine.listening.get(port, ()) if not is_loopback(ip))


def _some(agents: list[str]) -> str:
    shown = ", ".join(agents[:3])
    return f"agents {shown} and {len(agents) - 3} more" if len(agents) > 3 else f"agents {shown}"
