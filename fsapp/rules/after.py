"""What [[after]] says of other tables: faults, and what its author may not want. Shapes are settled by the schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from fsapp.core.rules import Rules, agent_queue, group_queue, line_queue, list_queue, stage_queue
from fsapp.rules.finding import Finding
from fsapp.rules.flows import survey_faults
from fsapp.rules.folder import Path
from fsapp.rules.references import known, table, texts, twice

__all__ = ["after_faults", "after_warnings"]

_TABLES = {"campaign": "campaign", "line": "line", "list": "list"}
_WHEN_LISTS = ("channel", "direction", "class", "outcome", "campaign", "stage", "line", "queue", "disposition", "tag",
               "list")
_DOES = ("ticket", "tags", "task", "webhook", "email", "survey")
_LOCAL = ("127.0.0.1", "::1", "localhost")


def after_faults(document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    """Every fault. Without `complete`, names that are not there may be in an unread file."""
    rules = document.get("after")
    rules = rules if isinstance(rules, list) else []
    names = Counter(spec.get("name") for spec in rules if isinstance(spec, Mapping) and isinstance(
        spec.get("name"), str))
    seen: set[str] = set()
    queues = _queues(document)
    for place, spec in enumerate(rules):
        if not isinstance(spec, Mapping):
            continue
        name = spec.get("name")
        if isinstance(name, str) and names[name] > 1 and name in seen:
            yield Finding(("after", place, "name"), "is the name of another one already; choose another, as what has "
                                                    "been done is known by it")
        seen.add(str(name))
        yield from _rule(("after", place), spec, document, complete, queues)
    for path, spec in _places(document):
        yield from twice((*path, "dispositions"), texts(spec, "dispositions"))


def _rule(path: Path, spec: Mapping[str, Any], document: Mapping[str, Any], complete: bool,
          queues: set[str]) -> Iterator[Finding]:
    for key in _WHEN_LISTS:
        yield from twice((*path, key), texts(spec, key))
        if spec.get(key) == []:
            yield Finding((*path, key), "is empty; name at least one, or remove it to fit all")
    for key, kind in _TABLES.items():
        for name in texts(spec, key):
            yield from known((*path, key), {key: name}, kind, document, complete)
    for stage in texts(spec, "stage"):
        campaign, _, name = stage.partition("/")
        if complete and name not in table(table(table(document, "campaign"), campaign), "stage"):
            yield Finding((*path, "stage"), f"there is no stage {stage[:130]!r}; write CAMPAIGN/STAGE of one that is "
                                            "there")
    for queue in texts(spec, "queue"):
        if complete and queue not in queues:
            yield Finding((*path, "queue"), f"there is no queue {queue[:130]!r}; see `fsapp queues`, or write line, "
                                            "stage or list")
    for key, kind in (("webhook", "webhook"), ("email", "email"), ("survey", "flow")):
        yield from known((*path, key), spec, kind, document, complete)
    yield from survey_faults(path, spec, document)
    yield from _bounds(path, spec)
    yield from _actions(path, spec, document, complete)


def _bounds(path: Path, spec: Mapping[str, Any]) -> Iterator[Finding]:
    for what in ("talked", "waited"):
        least, most = spec.get(f"{what}_min_s"), spec.get(f"{what}_max_s")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            yield Finding((*path, f"{what}_min_s"), f"is more than {what}_max_s = {most}; no interaction is between "
                                                    "them")


def _actions(path: Path, spec: Mapping[str, Any], document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    if not any(key in spec for key in _DOES):
        yield Finding(path, f"does nothing; add one of {', '.join(_DOES)}")
    if spec.get("ticket") not in ("open-or-new", "new"):
        for key in ("subject", "ticket_days"):
            if key in spec:
                yield Finding((*path, key), 'is of a ticket; add ticket = "open-or-new", or remove it')
    elif spec.get("ticket") == "new" and "ticket_days" in spec:
        yield Finding((*path, "ticket_days"), 'is of open tickets; write ticket = "open-or-new", or remove it')
    for key in ("survey_due_s", "survey_rest_days"):
        if key in spec and "survey" not in spec:
            yield Finding((*path, key), 'is of a survey; add survey = "FLOW", or remove it')
    yield from twice((*path, "tags"), texts(spec, "tags"))
    task = table(spec, "task")
    yield from known((*path, "task", "group"), task, "group", document, complete)
    if "group" in task and task.get("who", "group") != "group":
        yield Finding((*path, "task", "group"), f"is not asked for with who = {str(task.get('who'))[:20]!r}; write who "
                                                '= "group", or remove it')


def _queues(document: Mapping[str, Any]) -> set[str]:
    """The names of all queues the document implies, with the domain and without."""
    domain = table(document, "centre").get("domain", "fsapp")
    whole = {line_queue(domain, name) for name in table(document, "line")}
    whole |= {group_queue(domain, name) for name in table(document, "group")}
    whole |= {agent_queue(domain, name) for name in table(document, "agent")}
    lists = table(document, "list")
    whole |= {list_queue(domain, name) for name in lists if texts(table(lists, name), "agents")}
    for campaign, spec in table(document, "campaign").items():
        whole |= {stage_queue(domain, campaign, name) for name in table(spec, "stage")}
    return whole | {name.partition("@")[0] for name in whole}


def _places(document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for name in table(document, "line"):
        yield ("line", name), table(table(document, "line"), name)
    for campaign, spec in table(document, "campaign").items():
        yield ("campaign", campaign), table({"c": spec}, "c")
        for name in table(spec, "stage"):
            yield ("campaign", campaign, "stage", name), table(table(spec, "stage"), name)


def after_warnings(rules: Rules) -> Iterator[Finding]:
    """What sound rules would do that their author may not want."""
    places = [*rules.stages.values(), *rules.lines.values()]
    listed = {disposition for place in places for disposition in place.dispositions}
    every = all(place.dispositions for place in places)
    used = {name for rule in rules.follow.after for name in (rule.webhook, rule.email)}
    told = False
    for place, rule in enumerate(rules.follow.after):
        path: Path = ("after", place)
        for disposition in sorted(rule.when.dispositions - listed) if every else ():
            yield Finding((*path, "disposition"), f"no stage or line has the disposition {disposition!r}: nobody can "
                                                  "give it")
        if told and rule.ticket is not None:
            yield Finding((*path, "ticket"), "is never reached: a rule before this one has a ticket for everything")
        if rule.survey is not None and not rules.dialling.surveys_at_once:
            yield Finding((*path, "survey"), "asks nobody: surveys_at_once of [dial] is 0")
        for key, what in (("survey", rule.survey), ("task", rule.task)):
            if what is not None and rule.when.channels and "call" not in rule.when.channels:
                yield Finding((*path, key), "calls nobody: what comes by another channel is of no stage or line that "
                                            'could call; add "call" to channel')
        told = told or (rule.ticket is not None and rule.when == type(rule.when)())
    for webhook in rules.follow.webhooks.values():
        yield from _webhook(("webhook", webhook.name), webhook.url, webhook.secret_env, webhook.name in used)
    for name in rules.follow.emails:
        if name not in used:
            yield Finding(("email", name), f'is not used: name it in a rule, email = "{name}"')


def _webhook(path: Path, url: str, secret_env: str | None, used: bool) -> Iterator[Finding]:
    parts = urlsplit(url)
    if not used:
        yield Finding(path, f'is not used: name it in a rule, webhook = "{path[1]}"')
    if secret_env is None:
        yield Finding(path, "is not signed: whoever finds the address can tell it anything; add secret_env")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        yield Finding((*path, "url"), "goes through the net unencrypted, with customers' numbers: write https")
