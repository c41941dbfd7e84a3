"""The tables of the memory, and nothing else: no reading, no writing. docs/records.md explains each.

Every `_at` column is epoch seconds in UTC, a double, and every `_s` column is seconds: the same on SQLite and
PostgreSQL, and the same number as in the event stream. Ids are text; a row that comes from an event has an id made of
that event's, so that writing it twice is writing it once. Numbers are E.164 where they can be.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

__all__ = [
    "METADATA", "access_log", "agent_breaks", "agent_sessions", "agent_statuses", "attempts", "call_states",
    "contacts", "customer_events", "customer_numbers", "customers", "decisions", "dispositions", "erasures",
    "flow_ends", "followups", "interactions", "notes", "offers", "quarantine", "queue_stays", "recorder_positions",
    "secrets", "surveys", "switch_sights", "tags", "tasks", "tickets", "voicemails", "web_tokens",
]

METADATA = MetaData(naming_convention={
    "ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s",
})

JsonValue = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _id() -> Column[str]:
    return Column("id", String, primary_key=True)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, String, **options)


def _real(name: str, **options: Any) -> Column[float]:
    """A time (`_at`) or seconds (`_s`)."""
    return Column(name, Double, **options)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=false())


def _json(name: str) -> Column[Any]:
    return Column(name, JsonValue)


def _customer() -> Column[str]:
    return Column("customer_id", String, ForeignKey("customers.id", ondelete="SET NULL"))


def _interaction(**options: Any) -> Column[str]:
    """The call it belongs to, which may not be known here (yet)."""
    return Column("interaction_id", String, **options)


def _of_interaction() -> Column[str]:
    return Column("interaction_id", String, ForeignKey("interactions.id", ondelete="CASCADE"), nullable=False)


def _index_of_the_over(table: str, column: str) -> Index:
    """Of rows that are over, by when: those that retention looks for."""
    over = text(f"{column} IS NOT NULL")
    return Index(f"ix_{table}_{column}", column, sqlite_where=over, postgresql_where=over)


# Who calls us

customers = Table(
    "customers", METADATA, _id(), _text("name"), _count("vip"), _text("language"), _text("timezone"), _text("email"),
    _text("company"), _json("fields"), _real("made_at", nullable=False), _text("made_by"), _real("changed_at"),
    Index(None, "name"), Index(None, "email"),
)
customer_numbers = Table(
    "customer_numbers", METADATA, _text("number", primary_key=True),
    Column("customer_id", String, ForeignKey("customers.id", ondelete="CASCADE"), nullable=False),
    _text("kind"), _count("place"), _real("added_at"), Index(None, "customer_id"),
)
contacts = Table(
    "contacts", METADATA, _id(), _text("campaign", nullable=False), _text("stage", nullable=False),
    _text("number", nullable=False), _customer(), _text("state", nullable=False), _text("agent"), _text("name"),
    _text("list"), _count("priority"), _text("timezone"), _real("due_at"), _real("attempted_at"), _count("attempts"),
    _text("disposition"), _json("fields"), _real("made_at"), _real("changed_at"),
    Index(None, "number"), Index(None, "customer_id"), Index(None, "campaign", "stage", "state"),
    Index(None, "state", "changed_at"),
)
notes = Table(
    "notes", METADATA, _id(), _customer(), _interaction(), _text("ticket_id"), _real("at", nullable=False),
    _text("by"), _text("text", nullable=False),
    Index(None, "customer_id", "at"), Index(None, "interaction_id"), Index(None, "ticket_id"), Index(None, "at"),
)
tags = Table(
    # `kind` of what is tagged: customer, interaction, ticket; `how`: hand, rule, suggestion.
    "tags", METADATA, _text("kind", primary_key=True), _text("subject_id", primary_key=True),
    _text("tag", primary_key=True), _real("at"), _text("by"), _text("how"), Index(None, "kind", "tag"),
)

# What happened

_TO_FOLLOW = text("followed_at IS NULL AND ended_at IS NOT NULL")

interactions = Table(
    # `channel`: call, and what other channels bring. A call's id is its uuid. `followed_at`: when what follows from it
    # was last decided; None: it has to be, once it is over.
    "interactions", METADATA, _id(), _text("channel", nullable=False, server_default="call"), _text("switch"),
    _text("direction"), _text("number"), _text("name"), _text("called"), _customer(), _text("call_class"),
    _text("reason"), _text("campaign"), _text("stage"), _text("line"), _text("contact"), _text("queue"),
    _text("flow"), _text("decision_id"), Column("rules", Integer), _flag("degraded"),
    _real("started_at", nullable=False), _real("answered_at"), _real("ended_at"), _real("waited_s"),
    _real("talked_s"), _real("lasted_s"),
    _text("outcome"), _text("cause"), _text("agent"), _text("sticky_agent"), _text("recording"), _text("disposition"),
    _text("ticket_id"), _text("task_id"), _text("carried_from"),
    _text("source", nullable=False, server_default="stream"), _flag("recovered"), _text("subject"), _json("fields"),
    _real("followed_at"),
    Index(None, "number", "started_at"), Index(None, "customer_id", "started_at"), Index(None, "started_at"),
    Index(None, "queue", "started_at"), Index(None, "agent", "started_at"), Index(None, "ticket_id"),
    Index("ix_interactions_to_follow", "ended_at", sqlite_where=_TO_FOLLOW, postgresql_where=_TO_FOLLOW),
)
followups = Table(
    # What followed from an interaction by a rule; the id is made of both, so that it happens once. `state`: waiting,
    # done, failed, dropped. `target`: the webhook's or e-mail's name, the ticket's id; `payload`: what is sent.
    "followups", METADATA, _id(), _of_interaction(), _text("rule"), _text("kind", nullable=False), _text("target"),
    _text("state", nullable=False), _count("tries"), _real("made_at", nullable=False), _real("next_at"),
    _real("ended_at"), _text("error"), _json("payload"), Column("rules", Integer),
    Index(None, "interaction_id"), Index(None, "state", "kind", "target", "next_at"), Index(None, "made_at"),
)
decisions = Table(
    # One a visit that decided; interactions.decision_id is the first.
    "decisions", METADATA, _id(), _of_interaction(), _real("at", nullable=False), _count("visit"),
    _text("call_class"), _text("reason"), _text("campaign"), _text("stage"), _text("line"), _text("queue"),
    _text("agent"), Column("base_score", BigInteger), Column("rules", Integer), _flag("degraded"), _json("targets"),
    _json("trace"), _json("facts"), Index(None, "interaction_id"), Index(None, "at"),
)
queue_stays = Table(
    # One a stay of a call in a queue; the id is the member's. `outcome`: answered, abandoned, left.
    "queue_stays", METADATA, _id(), _of_interaction(), _text("switch"), _text("queue"), _text("call_class"),
    _real("joined_at"), _real("left_at"), _real("waited_s"), _text("outcome"), _text("reason"), _text("agent"),
    _real("answered_at"), _real("talk_ended_at"), _real("talked_s"), Column("base_score", BigInteger),
    _flag("recovered"), Index(None, "interaction_id"), Index(None, "queue", "joined_at"),
    Index(None, "agent", "answered_at"), Index(None, "joined_at"),
)
offers = Table(
    # One a time a stay was offered to an agent. `outcome`: answered, missed, or not known (None).
    "offers", METADATA, _id(), _of_interaction(), _text("stay_id", nullable=False), _text("switch"), _text("queue"),
    _text("agent"), _real("offered_at"), _real("ended_at"), _text("outcome"), _text("cause"),
    Index(None, "interaction_id"), Index(None, "agent", "offered_at"),
)
flow_ends = Table(
    # One a time a flow was left: in which block, and how (`end`: hung-up, or what the flow did, or what went wrong).
    "flow_ends", METADATA, _id(), _of_interaction(), _text("flow", nullable=False), _text("block"), _text("end"),
    _real("at", nullable=False), Index(None, "interaction_id"), Index(None, "at"),
)
tickets = Table(
    "tickets", METADATA, _id(), _customer(), _text("number"), _text("state", nullable=False), _text("subject"),
    _text("agent"), _text("group"), _count("priority"), _text("place"), _real("opened_at", nullable=False),
    _real("changed_at"), _real("closed_at"), _text("made_by"), _json("fields"),
    Index(None, "customer_id", "state"), Index(None, "number", "state"), Index(None, "state", "opened_at"),
    _index_of_the_over("tickets", "closed_at"),
)
tasks = Table(
    # `flow`: which one asks the customer, of a survey; `about_id`: the interaction that it asks about, or the call that
    # was lost or in which the callback was asked for.
    "tasks", METADATA, _id(), _text("kind"), _text("state"), _text("number"), _customer(), _text("place"),
    _text("campaign"), _text("stage"), _text("line"), _text("contact"), _text("agent"), _text("group"),
    _real("due_at"), _real("expires_at"), _real("made_at"), _text("made_by"), _count("tries"), _text("why"),
    _text("note"), _text("flow"), _text("about_id"), _real("changed_at", nullable=False), _real("closed_at"),
    _text("told", nullable=False),
    Index(None, "number", "made_at"), Index(None, "state", "due_at"), Index(None, "agent", "state"),
    Index(None, "campaign", "stage", "made_at"), Index(None, "customer_id"), Index(None, "made_at"),
    _index_of_the_over("tasks", "closed_at"),
    Index(None, "about_id"),
)
attempts = Table(
    # `responsible`: whose task it was; `agent`: who was reserved or spoke. `outcome`: talked, failed; `result`: finer.
    # `flow`: of a survey call, in which no agent has a part.
    "attempts", METADATA, _id(), _text("task_id"), _interaction(), _text("number"), _customer(),
    _text("responsible"), _text("agent"), _text("outcome"), _text("result"), _text("cause"), _text("disposition"),
    _real("at", nullable=False), _real("talked_s"), _text("campaign"), _text("stage"), _text("line"),
    _text("contact"), _text("flow"), Index(None, "task_id"), Index(None, "number", "at"), Index(None, "agent", "at"),
    Index(None, "campaign", "stage", "at"), Index(None, "customer_id"), Index(None, "at"),
)
dispositions = Table(
    "dispositions", METADATA, _id(), _interaction(), _text("task_id"), _text("contact"), _text("campaign"),
    _text("stage"), _text("agent"), _text("disposition", nullable=False), _text("note"), _real("at", nullable=False),
    Index(None, "interaction_id"), Index(None, "campaign", "stage", "at"), Index(None, "agent", "at"),
    Index(None, "at"),
)
surveys = Table(
    # An answer about an interaction, given in a call: the same, or the survey call that followed from it.
    "surveys", METADATA, _id(), _interaction(), _text("call_id"), _text("number"), _text("flow"), _text("block"),
    _text("value"), _text("agent"), _real("at", nullable=False), Index(None, "interaction_id"),
    Index(None, "flow", "at"), Index(None, "number", "at"), Index(None, "at"), Index(None, "call_id"),
)
voicemails = Table(
    "voicemails", METADATA, _id(), _interaction(), _text("number"), _customer(), _text("flow"), _text("block"),
    _text("line"), _text("file"), _real("at", nullable=False), _real("heard_at"), _text("heard_by"),
    Index(None, "interaction_id"), Index(None, "line", "at"), Index(None, "number", "at"),
    Index(None, "customer_id"), Index(None, "at"),
)
customer_events = Table(
    # `type`: direct_callback (effect: arises, restarted, deleted), stickiness (effect: by whom or what), or number
    # (effect: taken-off).
    "customer_events", METADATA, _id(), _text("type", nullable=False), _text("number"), _customer(), _interaction(),
    _text("agent"), _text("effect"), _text("place"), _text("campaign"), _text("stage"), _real("expires_at"),
    _real("at", nullable=False), Index(None, "number", "at"), Index(None, "type", "at"),
    Index(None, "customer_id"), Index(None, "at"),
)

# Agents at work

agent_statuses = Table(
    # As they were told; sessions and breaks follow from these.
    "agent_statuses", METADATA, _id(), _text("agent", nullable=False), _text("switch", nullable=False),
    _text("status", nullable=False), _text("reason"), _real("at", nullable=False), Index(None, "agent", "at"),
    Index(None, "at"),
)
agent_sessions = Table(
    # From logging in to logging out (ended_at None: still there). The id is that of the status it began with.
    "agent_sessions", METADATA, _id(), _text("agent", nullable=False), _text("switch", nullable=False),
    _real("started_at", nullable=False), _real("ended_at"), Index(None, "agent", "started_at"),
    Index(None, "started_at"), _index_of_the_over("agent_sessions", "ended_at"),
)
agent_breaks = Table(
    "agent_breaks", METADATA, _id(), _text("session_id"), _text("agent", nullable=False),
    _text("switch", nullable=False), _text("reason"), _real("started_at", nullable=False), _real("ended_at"),
    Index(None, "agent", "started_at"), Index(None, "started_at"), _index_of_the_over("agent_breaks", "ended_at"),
)

switch_sights = Table(
    # One a time a link has watched a switch without a break, `seen_at` the last moment: who was there until when.
    "switch_sights", METADATA, _id(), _text("switch", nullable=False), _text("run"),
    _real("started_at", nullable=False), _real("seen_at", nullable=False), Index(None, "switch", "seen_at"),
    Index(None, "seen_at"),
)

# Who was erased

erasures = Table(
    # Keyed hashes (`records.erasures`). `kind`: number, or passing: a call or task that was going on.
    "erasures", METADATA, _id(), _text("kind", nullable=False), _real("at", nullable=False), Index(None, "kind", "at"),
)
secrets = Table(
    "secrets", METADATA, _text("name", primary_key=True), _text("value", nullable=False),
)

# The recorder's own

call_states = Table(
    # What is known of each call, as `core.call_record` keeps it: what its rows are made of. `changed_at`: when it was
    # first written: the index would have work with each event otherwise.
    "call_states", METADATA, _id(), Column("state", LargeBinary, nullable=False), _real("changed_at", nullable=False),
    Index(None, "changed_at"),
)
quarantine = Table(
    # Events that could not be written. `place`: the id in the stream; `event`: its bytes as they came.
    "quarantine", METADATA, _text("place", primary_key=True), _text("type"),
    Column("event", LargeBinary, nullable=False), _text("error", nullable=False), _real("at", nullable=False),
    _count("tries"), _real("tried_at"), Index(None, "at"),
)
recorder_positions = Table(
    "recorder_positions", METADATA, _text("stream", primary_key=True), _text("place", nullable=False),
    Column("events", BigInteger, nullable=False, server_default="0"),
    Column("gaps", Integer, nullable=False, server_default="0"), _real("at", nullable=False),
)
access_log = Table(
    # Who looked at what: `what` a kind (customer, interaction, recording, export ...), `subject` its id.
    "access_log", METADATA, _id(), _real("at", nullable=False), _text("who", nullable=False),
    _text("what", nullable=False), _text("subject"), _text("number"), _text("customer_id"), _text("how"),
    Index(None, "at"), Index(None, "customer_id", "at"), Index(None, "who", "at"),
)

# Who may ask

web_tokens = Table(
    # `hash`: of the token, which nobody keeps; `may`: read, write, admin.
    "web_tokens", METADATA, _text("name", primary_key=True), _text("hash", nullable=False),
    _text("may", nullable=False), _real("made_at", nullable=False),
)
