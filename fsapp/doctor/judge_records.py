"""Judges the memory: the SQL database, and whether what happens gets there. Asks nobody."""

from __future__ import annotations

from collections.abc import Iterator

from fsapp.core.rules import Rules
from fsapp.doctor.facts import Facts, NotAsked
from fsapp.doctor.finding import Finding

__all__ = ["follow_ups", "records"]

_LATE_S = 60.0
_BEHIND_S = 300.0


def records(facts: Facts) -> Iterator[Finding]:
    """The database is there and of the right version, and the recorder keeps up with the stream."""
    memory = facts.memory
    if isinstance(memory, NotAsked):
        yield Finding.unseen(f"the database: {memory.why}")
        return
    if memory.fault:
        what, _, todo = memory.fault.rpartition(": ")
        yield Finding.fault(what or memory.fault, todo if what else "see its log")
        return
    if memory.version is None:
        yield Finding.warning(f"there is nothing in the database {memory.where} yet", "start fsapp: `fsapp up`")
    elif isinstance(memory.lag_s, NotAsked):
        yield Finding.unseen(f"whether all that happened is recorded: {memory.lag_s.why}")
    elif memory.lag_s > _LATE_S:
        yield Finding.fault(
            f"events have waited for {memory.lag_s:.0f} s to be recorded",
            "start `fsapp recorder`; where it runs, see its log")
    else:
        yield Finding.ok(f"the database {memory.where} has version {memory.version} and what happened until now")
    if memory.quarantined:
        yield Finding.warning(
            f"{memory.quarantined} events could not be recorded", "see `fsapp records quarantine list`")


def follow_ups(facts: Facts) -> Iterator[Finding]:
    """What follows from calls is done: somebody does it, with the secrets and the mail server that it takes."""
    memory, rules = facts.memory, facts.rules
    if not isinstance(rules, Rules) or not rules.follow.after:
        yield Finding.ok("no rule has anything follow from a call")
        return
    used = [rule for rule in rules.follow.after if rule.email]
    if used and not (facts.settings.smtp_url and facts.settings.mail_from):
        yield Finding.fault(
            f"rule {used[0].name} sends letters, and there is no mail server", "set FSAPP_SMTP_URL and FSAPP_MAIL_FROM")
    for name in sorted({rule.webhook for rule in rules.follow.after if rule.webhook}):
        variable = rules.follow.webhooks[name].secret_env
        if variable and variable not in facts.environment:
            yield Finding.warning(
                f"{variable}, the secret of webhook {name}, is not set here",
                "see that it is in the environment of `fsapp followups run`: without it nothing is told")
    if isinstance(memory, NotAsked) or memory.fault or memory.version is None:
        yield Finding.unseen("what follows from calls: the database was not reached")
        return
    if memory.follow_s > _BEHIND_S:
        yield Finding.fault(
            f"what follows from calls has been due for {memory.follow_s:.0f} s",
            "start `fsapp followups run`; where it runs, see its log")
    else:
        yield Finding.ok("what follows from calls is done")
    if memory.unfollowed:
        yield Finding.warning(
            f"{memory.unfollowed} things that follow from calls have failed",
            "see `fsapp followups list --state failed`, then `fsapp followups retry` or `drop`")
