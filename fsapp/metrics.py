"""The one metric registry. No label ever holds a number, a name or a uuid."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = [
    "ARRIVED", "CALLBACKS_ASKED", "CALLBACKS_STANDING", "CALLBACKS_TRIED", "CALLBACK_RIGHTS", "CARRIED", "CONNECTIONS",
    "CONTACTS_MIRRORED", "CONTACTS_READ_AT", "DATABASE_UP", "DECISIONS", "DECISION_SECONDS", "DEGRADED",
    "EVENTS_CUT_OFF", "EVENTS_LOST", "EVENTS_RECORDED", "EVENTS_WAITING", "FLOOR", "FLOWS", "FOLLOWED", "FOLLOWUPS",
    "FOLLOWUPS_OPEN", "FOLLOWUP_SECONDS", "HEALED", "LINK_EVENTS", "LINK_REQUESTS", "LINK_SYNCS", "LINK_SYNC_SECONDS",
    "LINK_UP", "POP_READ_SECONDS", "POP_SECONDS", "POP_STREAMS", "QUARANTINE", "RECORDER_LAG_SECONDS",
    "RECORDINGS_REMOVED", "REDIS_UP", "REFUSED", "REGISTRY", "ROWS_PURGED", "ROWS_RECORDED", "RULES_VERSION",
    "STICKY_TALKS", "TASKS_CHANGED", "TASKS_DUE", "UNMENDED", "VISITS", "VISIT_SECONDS", "WAITS_FORETOLD", "WAITS_TOLD",
    "WAIT_ERROR_SECONDS",
]

REGISTRY = CollectorRegistry()
_FINE = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5)

CONNECTIONS = Gauge("fsapp_connections", "Connections from the switch that are open", registry=REGISTRY)
REFUSED = Counter("fsapp_connections_refused", "Connections closed unanswered", ["reason"], registry=REGISTRY)
VISITS = Counter("fsapp_visits", "Visits by how they ended", ["outcome"], registry=REGISTRY)
VISIT_SECONDS = Histogram("fsapp_visit_seconds", "From accept to exit", buckets=_FINE, registry=REGISTRY)
DECISIONS = Counter("fsapp_decisions", "Decisions by class and reason", ["call_class", "reason"], registry=REGISTRY)
DECISION_SECONDS = Histogram("fsapp_decision_seconds", "Facts and decision", buckets=_FINE, registry=REGISTRY)
DEGRADED = Counter("fsapp_decisions_degraded", "Decisions made without Redis", registry=REGISTRY)
CARRIED = Counter("fsapp_calls_carried", "Calls sent to the switch where their queue is", ["to"], registry=REGISTRY)
ARRIVED = Counter("fsapp_calls_arrived", "Calls another switch carried here", ["outcome"], registry=REGISTRY)
CALLBACKS_ASKED = Counter(
    "fsapp_callbacks_asked", "Callbacks that callers confirmed, by what came of it", ["outcome"], registry=REGISTRY)
FLOWS = Counter("fsapp_flows", "Flows by how they ended", ["end"], registry=REGISTRY)
REDIS_UP = Gauge("fsapp_redis_up", "1 while Redis answers", registry=REGISTRY)
EVENTS_WAITING = Gauge("fsapp_events_waiting", "Events kept in memory until Redis takes them", registry=REGISTRY)
EVENTS_LOST = Counter("fsapp_events_lost", "Events dropped since the memory for them was full", registry=REGISTRY)
RULES_VERSION = Gauge("fsapp_rules_version", "The version of the rules in force", registry=REGISTRY)
HEALED = Counter("fsapp_healed", "What was mended on the switch, by kind", ["kind"], registry=REGISTRY)
UNMENDED = Counter("fsapp_unmended", "What could not be mended on the switch, by kind", ["kind"], registry=REGISTRY)
LINK_UP = Gauge("fsapp_link_up", "1 while the link to the switch is there", registry=REGISTRY)
LINK_EVENTS = Counter("fsapp_link_events", "Events of the switch, by kind", ["kind"], registry=REGISTRY)
LINK_SYNCS = Counter("fsapp_link_syncs", "Times everything was read from the switch", ["reason"], registry=REGISTRY)
LINK_SYNC_SECONDS = Histogram("fsapp_link_sync_seconds", "Reading all of it", buckets=_FINE, registry=REGISTRY)
LINK_REQUESTS = Counter("fsapp_link_requests", "What the link was asked to do", ["outcome"], registry=REGISTRY)
WAITS_FORETOLD = Counter(
    "fsapp_waits_foretold", "Answered callers, by whether their wait was within the interval", ["within"],
    registry=REGISTRY)
WAITS_TOLD = Counter(
    "fsapp_waits_told", "Times a caller was told the place or the wait", registry=REGISTRY)
WAIT_ERROR_SECONDS = Histogram(
    "fsapp_wait_error_seconds", "How far estimates of the wait were wrong",
    buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600), registry=REGISTRY)
FLOOR = Gauge("fsapp_floor", "Agents, queues, members and calls on the switch", ["part"], registry=REGISTRY)
RECORDINGS_REMOVED = Counter("fsapp_recordings_removed", "Recordings removed as their time was over", registry=REGISTRY)
CALLBACK_RIGHTS = Counter(
    "fsapp_callback_rights", "Direct-callback rights by what became of them", ["effect"], registry=REGISTRY)
STICKY_TALKS = Counter("fsapp_sticky_talks", "Talks after which the customer sticks to the agent", registry=REGISTRY)
CALLBACKS_STANDING = Gauge(
    "fsapp_callbacks_standing", "Calls that stand in line for tasks, those with an agent included", registry=REGISTRY)
CALLBACKS_TRIED = Counter("fsapp_callbacks_tried", "Customers called back, by outcome", ["outcome"], registry=REGISTRY)
SURVEYS_STANDING = Gauge(
    "fsapp_surveys_standing", "Customers who are called for a survey now, or asked", registry=REGISTRY)
SURVEY_CALLS = Counter("fsapp_survey_calls", "Calls for surveys, by outcome", ["outcome"], registry=REGISTRY)
TASKS_CHANGED = Counter(
    "fsapp_tasks_changed", "Tasks that lost calls, talks and time have made or ended", ["kind", "state"],
    registry=REGISTRY)
TASKS_DUE = Gauge("fsapp_tasks_due", "Tasks that are due at places of this switch", ["kind"], registry=REGISTRY)
DATABASE_UP = Gauge("fsapp_database_up", "1 while the SQL database takes what is recorded", registry=REGISTRY)
EVENTS_RECORDED = Counter("fsapp_events_recorded", "Events of the stream that are in the memory", registry=REGISTRY)
ROWS_RECORDED = Counter("fsapp_rows_recorded", "Rows written, by table", ["table"], registry=REGISTRY)
ROWS_PURGED = Counter("fsapp_rows_purged", "Rows removed as their time was over", ["table"], registry=REGISTRY)
CONTACTS_MIRRORED = Counter(
    "fsapp_contacts_mirrored", "Contacts of Redis brought into the memory, by what changed there", ["change"],
    registry=REGISTRY)
CONTACTS_READ_AT = Gauge(
    "fsapp_contacts_read_at", "When all contacts of Redis were last read to the end, epoch seconds", registry=REGISTRY)
RECORDER_LAG_SECONDS = Gauge(
    "fsapp_recorder_lag_seconds", "For how long the oldest event that is not recorded has waited", registry=REGISTRY)
QUARANTINE = Gauge("fsapp_quarantine", "Events that could not be written and wait to be looked at", registry=REGISTRY)
EVENTS_CUT_OFF = Counter(
    "fsapp_events_cut_off", "Times events left the stream before they were recorded", registry=REGISTRY)
FOLLOWED = Counter(
    "fsapp_interactions_followed", "Interactions looked at for what follows", ["outcome"], registry=REGISTRY)
FOLLOWUPS = Counter(
    "fsapp_followups", "What was to be told or made, by kind and what became of it", ["kind", "outcome"],
    registry=REGISTRY)
FOLLOWUPS_OPEN = Gauge(
    "fsapp_followups_open", "What waits in the outbox or has failed", ["kind", "state"], registry=REGISTRY)
FOLLOWUP_SECONDS = Histogram(
    "fsapp_followup_seconds", "How long one delivery took", ["kind"], buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60),
    registry=REGISTRY)
POP_SECONDS = Histogram(
    "fsapp_pop_seconds", "From the offer of a call to its pop at the agent's", buckets=_FINE, registry=REGISTRY)
POP_READ_SECONDS = Histogram("fsapp_pop_read_seconds", "Reading a pop", buckets=_FINE, registry=REGISTRY)
POP_STREAMS = Gauge("fsapp_pop_streams", "Pages that follow an agent's pops", registry=REGISTRY)
