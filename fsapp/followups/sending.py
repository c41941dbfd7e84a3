"""One delivery, by its kind: a webhook, a letter, a task, by the rules in force. Decides nothing; raises nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from fsapp.core.after_rules import Webhook
from fsapp.core.follow_up import Kind
from fsapp.core.retrying import Later, Never, Outcome
from fsapp.core.rules import Rules
from fsapp.followups.mail import Mailer
from fsapp.followups.tasks import TaskMaker
from fsapp.followups.webhook import Poster
from fsapp.log import get_logger
from fsapp.records.outbox import Entry

__all__ = ["Sending", "post"]

_log = get_logger("followups")


class Sending:
    """Called with what is in hand. `rules`: those in force; an address that is changed there counts at once."""

    def __init__(
        self, rules: Callable[[], Rules | None], poster: Poster, mailer: Mailer, maker: TaskMaker,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._rules = rules
        self._poster = poster
        self._mailer = mailer
        self._maker = maker
        self._environ = environ

    def __call__(self, entry: Entry) -> Outcome:
        rules = self._rules()
        if rules is None:
            return Later("no rules are loaded: run `fsapp rules load`")
        try:
            return self._by_kind(entry, rules)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            _log.exception("followup_broken", id=entry.id)
            return Never(f"what is to be sent is broken: {type(error).__name__}: {error}"[:200])

    def _by_kind(self, entry: Entry, rules: Rules) -> Outcome:
        now = time.time()
        if not entry.payload:
            return Never("what was to be sent has been erased")
        if entry.target.kind == Kind.WEBHOOK:
            webhook = rules.follow.webhooks.get(entry.target.name)
            if webhook is None:
                return Later(f"the rules have no webhook {entry.target.name} any more")
            return post(self._poster, webhook, entry.payload, entry.id, entry.tries, self._environ)
        if entry.target.kind == Kind.EMAIL:
            return self._mailer(entry.payload, id_=entry.id, now=now)
        if entry.target.kind in (Kind.TASK, Kind.SURVEY):
            return self._maker(
                entry.payload, rules, id_=entry.id, rule=entry.rule,
                made_at=datetime.fromtimestamp(entry.made_at, UTC), now=datetime.fromtimestamp(now, UTC))
        return Never(f"nobody knows how to do {entry.target.kind}")


def post(
    poster: Poster, webhook: Webhook, payload: Mapping[str, object], id_: str, tries: int, environ: Mapping[str, str],
) -> Outcome:
    """Tell a webhook; signed where the rules name a variable for the secret, and else not at all where it is empty."""
    secret = environ.get(webhook.secret_env, "") if webhook.secret_env else None
    if secret == "":
        return Later(f"{webhook.secret_env} is not set where `fsapp followups` runs: nothing is sent unsigned")
    return poster(webhook.url, payload, secret=secret, timeout_s=webhook.timeout_s, id_=id_, tries=tries,
                  now=time.time())
