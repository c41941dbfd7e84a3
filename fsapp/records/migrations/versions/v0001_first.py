"""The whole memory as it first was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "access_log",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("subject", sa.String),
        sa.Column("number", sa.String),
        sa.Column("customer_id", sa.String),
        sa.Column("how", sa.String),
        sa.PrimaryKeyConstraint("id", name="pk_access_log"),
    )
    op.create_index("ix_access_log_at", "access_log", ["at"])
    op.create_index("ix_access_log_customer_id_at", "access_log", ["customer_id", "at"])
    op.create_index("ix_access_log_who_at", "access_log", ["who", "at"])
    op.create_table(
        "agent_breaks",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("session_id", sa.String),
        sa.Column("agent", sa.String, nullable=False),
        sa.Column("switch", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_agent_breaks"),
    )
    op.create_index("ix_agent_breaks_agent_started_at", "agent_breaks", ["agent", "started_at"])
    op.create_index("ix_agent_breaks_started_at", "agent_breaks", ["started_at"])
    op.create_table(
        "agent_sessions",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("agent", sa.String, nullable=False),
        sa.Column("switch", sa.String, nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_agent_sessions"),
    )
    op.create_index("ix_agent_sessions_agent_started_at", "agent_sessions", ["agent", "started_at"])
    op.create_index("ix_agent_sessions_started_at", "agent_sessions", ["started_at"])
    op.create_table(
        "agent_statuses",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("agent", sa.String, nullable=False),
        sa.Column("switch", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("reason", sa.String),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agent_statuses"),
    )
    op.create_index("ix_agent_statuses_agent_at", "agent_statuses", ["agent", "at"])
    op.create_index("ix_agent_statuses_at", "agent_statuses", ["at"])
    op.create_table(
        "call_states",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_call_states"),
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String),
        sa.Column("vip", sa.Integer, server_default="0", nullable=False),
        sa.Column("language", sa.String),
        sa.Column("timezone", sa.String),
        sa.Column("email", sa.String),
        sa.Column("company", sa.String),
        sa.Column("fields", _JSON),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("made_by", sa.String),
        sa.Column("changed_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
    )
    op.create_index("ix_customers_email", "customers", ["email"])
    op.create_index("ix_customers_name", "customers", ["name"])
    op.create_table(
        "dispositions",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("interaction_id", sa.String),
        sa.Column("task_id", sa.String),
        sa.Column("contact", sa.String),
        sa.Column("campaign", sa.String),
        sa.Column("stage", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("disposition", sa.String, nullable=False),
        sa.Column("note", sa.String),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dispositions"),
    )
    op.create_index("ix_dispositions_agent_at", "dispositions", ["agent", "at"])
    op.create_index("ix_dispositions_campaign_stage_at", "dispositions", ["campaign", "stage", "at"])
    op.create_index("ix_dispositions_interaction_id", "dispositions", ["interaction_id"])
    op.create_table(
        "quarantine",
        sa.Column("place", sa.String, nullable=False),
        sa.Column("type", sa.String),
        sa.Column("event", sa.LargeBinary, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("tries", sa.Integer, server_default="0", nullable=False),
        sa.Column("tried_at", sa.Double),
        sa.PrimaryKeyConstraint("place", name="pk_quarantine"),
    )
    op.create_index("ix_quarantine_at", "quarantine", ["at"])
    op.create_table(
        "recorder_positions",
        sa.Column("stream", sa.String, nullable=False),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("events", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("gaps", sa.Integer, server_default="0", nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("stream", name="pk_recorder_positions"),
    )
    op.create_table(
        "surveys",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("interaction_id", sa.String),
        sa.Column("number", sa.String),
        sa.Column("flow", sa.String),
        sa.Column("block", sa.String),
        sa.Column("value", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_surveys"),
    )
    op.create_index("ix_surveys_flow_at", "surveys", ["flow", "at"])
    op.create_index("ix_surveys_interaction_id", "surveys", ["interaction_id"])
    op.create_table(
        "tags",
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject_id", sa.String, nullable=False),
        sa.Column("tag", sa.String, nullable=False),
        sa.Column("at", sa.Double),
        sa.Column("by", sa.String),
        sa.Column("how", sa.String),
        sa.PrimaryKeyConstraint("kind", "subject_id", "tag", name="pk_tags"),
    )
    op.create_index("ix_tags_kind_tag", "tags", ["kind", "tag"])
    op.create_table(
        "attempts",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("task_id", sa.String),
        sa.Column("interaction_id", sa.String),
        sa.Column("number", sa.String),
        sa.Column("customer_id", sa.String),
        sa.Column("responsible", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("outcome", sa.String),
        sa.Column("result", sa.String),
        sa.Column("cause", sa.String),
        sa.Column("disposition", sa.String),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("talked_s", sa.Double),
        sa.Column("campaign", sa.String),
        sa.Column("stage", sa.String),
        sa.Column("line", sa.String),
        sa.Column("contact", sa.String),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_attempts_customer_id_customers", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_agent_at", "attempts", ["agent", "at"])
    op.create_index("ix_attempts_campaign_stage_at", "attempts", ["campaign", "stage", "at"])
    op.create_index("ix_attempts_number_at", "attempts", ["number", "at"])
    op.create_index("ix_attempts_task_id", "attempts", ["task_id"])
    op.create_table(
        "contacts",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("campaign", sa.String, nullable=False),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("number", sa.String, nullable=False),
        sa.Column("customer_id", sa.String),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("agent", sa.String),
        sa.Column("name", sa.String),
        sa.Column("list", sa.String),
        sa.Column("priority", sa.Integer, server_default="0", nullable=False),
        sa.Column("timezone", sa.String),
        sa.Column("due_at", sa.Double),
        sa.Column("attempted_at", sa.Double),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("disposition", sa.String),
        sa.Column("fields", _JSON),
        sa.Column("made_at", sa.Double),
        sa.Column("changed_at", sa.Double),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_contacts_customer_id_customers", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_contacts"),
    )
    op.create_index("ix_contacts_campaign_stage_state", "contacts", ["campaign", "stage", "state"])
    op.create_index("ix_contacts_customer_id", "contacts", ["customer_id"])
    op.create_index("ix_contacts_number", "contacts", ["number"])
    op.create_table(
        "customer_events",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("number", sa.String),
        sa.Column("customer_id", sa.String),
        sa.Column("interaction_id", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("effect", sa.String),
        sa.Column("place", sa.String),
        sa.Column("campaign", sa.String),
        sa.Column("stage", sa.String),
        sa.Column("expires_at", sa.Double),
        sa.Column("at", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_customer_events_customer_id_customers", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_customer_events"),
    )
    op.create_index("ix_customer_events_number_at", "customer_events", ["number", "at"])
    op.create_index("ix_customer_events_type_at", "customer_events", ["type", "at"])
    op.create_table(
        "customer_numbers",
        sa.Column("number", sa.String, nullable=False),
        sa.Column("customer_id", sa.String, nullable=False),
        sa.Column("kind", sa.String),
        sa.Column("place", sa.Integer, server_default="0", nullable=False),
        sa.Column("added_at", sa.Double),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_customer_numbers_customer_id_customers", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_customer_numbers"),
    )
    op.create_index("ix_customer_numbers_customer_id", "customer_numbers", ["customer_id"])
    op.create_table(
        "interactions",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("channel", sa.String, server_default="call", nullable=False),
        sa.Column("switch", sa.String),
        sa.Column("direction", sa.String),
        sa.Column("number", sa.String),
        sa.Column("name", sa.String),
        sa.Column("called", sa.String),
        sa.Column("customer_id", sa.String),
        sa.Column("call_class", sa.String),
        sa.Column("reason", sa.String),
        sa.Column("campaign", sa.String),
        sa.Column("stage", sa.String),
        sa.Column("line", sa.String),
        sa.Column("contact", sa.String),
        sa.Column("queue", sa.String),
        sa.Column("flow", sa.String),
        sa.Column("decision_id", sa.String),
        sa.Column("rules", sa.Integer),
        sa.Column("degraded", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("answered_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("waited_s", sa.Double),
        sa.Column("talked_s", sa.Double),
        sa.Column("lasted_s", sa.Double),
        sa.Column("outcome", sa.String),
        sa.Column("cause", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("sticky_agent", sa.String),
        sa.Column("recording", sa.String),
        sa.Column("disposition", sa.String),
        sa.Column("ticket_id", sa.String),
        sa.Column("task_id", sa.String),
        sa.Column("carried_from", sa.String),
        sa.Column("source", sa.String, server_default="stream", nullable=False),
        sa.Column("recovered", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("subject", sa.String),
        sa.Column("fields", _JSON),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_interactions_customer_id_customers", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_interactions"),
    )
    op.create_index("ix_interactions_agent_started_at", "interactions", ["agent", "started_at"])
    op.create_index("ix_interactions_customer_id_started_at", "interactions", ["customer_id", "started_at"])
    op.create_index("ix_interactions_number_started_at", "interactions", ["number", "started_at"])
    op.create_index("ix_interactions_queue_started_at", "interactions", ["queue", "started_at"])
    op.create_index("ix_interactions_started_at", "interactions", ["started_at"])
    op.create_index("ix_interactions_ticket_id", "interactions", ["ticket_id"])
    op.create_table(
        "notes",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("customer_id", sa.String),
        sa.Column("interaction_id", sa.String),
        sa.Column("ticket_id", sa.String),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("by", sa.String),
        sa.Column("text", sa.String, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_notes_customer_id_customers", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
    )
    op.create_index("ix_notes_customer_id_at", "notes", ["customer_id", "at"])
    op.create_index("ix_notes_interaction_id", "notes", ["interaction_id"])
    op.create_index("ix_notes_ticket_id", "notes", ["ticket_id"])
    op.create_table(
        "tasks",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("kind", sa.String),
        sa.Column("state", sa.String),
        sa.Column("number", sa.String),
        sa.Column("customer_id", sa.String),
        sa.Column("place", sa.String),
        sa.Column("campaign", sa.String),
        sa.Column("stage", sa.String),
        sa.Column("line", sa.String),
        sa.Column("contact", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("group", sa.String),
        sa.Column("due_at", sa.Double),
        sa.Column("expires_at", sa.Double),
        sa.Column("made_at", sa.Double),
        sa.Column("made_by", sa.String),
        sa.Column("tries", sa.Integer, server_default="0", nullable=False),
        sa.Column("why", sa.String),
        sa.Column("note", sa.String),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("closed_at", sa.Double),
        sa.Column("told", sa.String, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_tasks_customer_id_customers", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
    )
    op.create_index("ix_tasks_agent_state", "tasks", ["agent", "state"])
    op.create_index("ix_tasks_campaign_stage_made_at", "tasks", ["campaign", "stage", "made_at"])
    op.create_index("ix_tasks_number_made_at", "tasks", ["number", "made_at"])
    op.create_index("ix_tasks_state_due_at", "tasks", ["state", "due_at"])
    op.create_table(
        "tickets",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("customer_id", sa.String),
        sa.Column("number", sa.String),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("subject", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("group", sa.String),
        sa.Column("priority", sa.Integer, server_default="0", nullable=False),
        sa.Column("place", sa.String),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double),
        sa.Column("closed_at", sa.Double),
        sa.Column("made_by", sa.String),
        sa.Column("fields", _JSON),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_tickets_customer_id_customers", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tickets"),
    )
    op.create_index("ix_tickets_customer_id_state", "tickets", ["customer_id", "state"])
    op.create_index("ix_tickets_number_state", "tickets", ["number", "state"])
    op.create_index("ix_tickets_state_opened_at", "tickets", ["state", "opened_at"])
    op.create_table(
        "voicemails",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("interaction_id", sa.String),
        sa.Column("number", sa.String),
        sa.Column("customer_id", sa.String),
        sa.Column("flow", sa.String),
        sa.Column("block", sa.String),
        sa.Column("line", sa.String),
        sa.Column("file", sa.String),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("heard_at", sa.Double),
        sa.Column("heard_by", sa.String),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_voicemails_customer_id_customers", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_voicemails"),
    )
    op.create_index("ix_voicemails_interaction_id", "voicemails", ["interaction_id"])
    op.create_index("ix_voicemails_line_at", "voicemails", ["line", "at"])
    op.create_index("ix_voicemails_number_at", "voicemails", ["number", "at"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("interaction_id", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("visit", sa.Integer, server_default="0", nullable=False),
        sa.Column("call_class", sa.String),
        sa.Column("reason", sa.String),
        sa.Column("campaign", sa.String),
        sa.Column("stage", sa.String),
        sa.Column("line", sa.String),
        sa.Column("queue", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("base_score", sa.BigInteger),
        sa.Column("rules", sa.Integer),
        sa.Column("degraded", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("targets", _JSON),
        sa.Column("trace", _JSON),
        sa.Column("facts", _JSON),
        sa.ForeignKeyConstraint(
            ["interaction_id"], ["interactions.id"], name="fk_decisions_interaction_id_interactions", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_interaction_id", "decisions", ["interaction_id"])
    op.create_table(
        "offers",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("interaction_id", sa.String, nullable=False),
        sa.Column("stay_id", sa.String, nullable=False),
        sa.Column("switch", sa.String),
        sa.Column("queue", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("offered_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("outcome", sa.String),
        sa.Column("cause", sa.String),
        sa.ForeignKeyConstraint(
            ["interaction_id"], ["interactions.id"], name="fk_offers_interaction_id_interactions", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_offers"),
    )
    op.create_index("ix_offers_agent_offered_at", "offers", ["agent", "offered_at"])
    op.create_index("ix_offers_interaction_id", "offers", ["interaction_id"])
    op.create_table(
        "queue_stays",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("interaction_id", sa.String, nullable=False),
        sa.Column("switch", sa.String),
        sa.Column("queue", sa.String),
        sa.Column("call_class", sa.String),
        sa.Column("joined_at", sa.Double),
        sa.Column("left_at", sa.Double),
        sa.Column("waited_s", sa.Double),
        sa.Column("outcome", sa.String),
        sa.Column("reason", sa.String),
        sa.Column("agent", sa.String),
        sa.Column("answered_at", sa.Double),
        sa.Column("talk_ended_at", sa.Double),
        sa.Column("talked_s", sa.Double),
        sa.Column("base_score", sa.BigInteger),
        sa.Column("recovered", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(
            ["interaction_id"],
            ["interactions.id"],
            name="fk_queue_stays_interaction_id_interactions",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_queue_stays"),
    )
    op.create_index("ix_queue_stays_agent_answered_at", "queue_stays", ["agent", "answered_at"])
    op.create_index("ix_queue_stays_interaction_id", "queue_stays", ["interaction_id"])
    op.create_index("ix_queue_stays_queue_joined_at", "queue_stays", ["queue", "joined_at"])
