"""Every key in Redis, its type and how long it lives. Nothing else in fsapp spells a key; nothing here talks to Redis.

| key | type | holds | lives |
| --- | --- | --- | --- |
| `fsapp:{NUMBER}:contacts` | string | msgpack map: stage id -> entry (see `contacts`) | until removed |
| `fsapp:{NUMBER}:rights` | string | msgpack list of direct-callback rights (see `store`) | until the last one expires |
| `fsapp:{NUMBER}:sticky` | string | msgpack: the last successful talk, then each place's | as long as the writer says |
| `fsapp:{NUMBER}:heard` | string | msgpack list: ids of the last facts that changed these | HEARD_S after the last |
| `fsapp:{NUMBER}:tasks` | string | msgpack list of tasks (see `task_record`) | TASKS_S after the last was open |
| `fsapp:{NUMBER}:asked` | sorted set | `NUMBER TASK` this caller has asked for, by when | a day, or while one is open |
| `fsapp:{tasks}:open` | sorted set | `NUMBER TASK` by due time (epoch seconds) | while the task is open |
| `fsapp:{tasks}:over` | sorted set | `NUMBER TASK` by when it ended | TASKS_S, the last KEPT_TASKS |
| `fsapp:{imports}:state` | string | `NEWEST:PENDING,PENDING`: the newest import batch, those unfinished | for ever |
| `fsapp:{imports}:lease:BATCH` | string | a sign of life of a running import | LEASE_S after its last write |
| `fsapp:{rules}:current` | string | the version of the rules in force, also the counter of versions | for ever |
| `fsapp:{rules}:versions` | hash | version -> msgpack of document, author, note, source | the last KEPT_VERSIONS |
| `fsapp:events` | stream | field `e`: msgpack of one event (see `stream`) | about `stream_length` entries |
| `fsapp:{floor:SWITCH}:agents` | hash | agent -> msgpack (see `floor`) | as long as the switch has it |
| `fsapp:{floor:SWITCH}:queues` | hash | queue -> msgpack | as long as the switch has it |
| `fsapp:{floor:SWITCH}:tiers` | hash | `all` -> msgpack list | as long as the switch has them |
| `fsapp:{floor:SWITCH}:members` | hash | uuid -> msgpack | as long as the switch has it |
| `fsapp:{floor:SWITCH}:calls` | hash | uuid -> msgpack | as long as the switch has it |
| `fsapp:{floor:SWITCH}:free` | string | msgpack: who is free, who is not there (see `availability`) | AVAILABILITY_S |
| `fsapp:{floor:SWITCH}:waits` | hash | queue -> msgpack of the wait of who joins now | as long as the link says so |
| `fsapp:{floor:SWITCH}:learned` | hash | `waits` -> msgpack of what estimating waits has learned | for ever |
| `fsapp:{floor:SWITCH}:meta` | hash | core uuid, when it was last read and heard, whether it answers | for ever |
| `fsapp:{floor:SWITCH}:lease` | string | who holds the link to this switch | LINK_LEASE_S after its last sign of life |
| `fsapp:{floor:SWITCH}:requests` | list | msgpack of what the link is asked to do | REQUEST_S after the last one |
| `fsapp:{floor:SWITCH}:answer:ID` | list | msgpack of the answer to one request | REQUEST_S |
| `fsapp:{agents}:status` | hash | agent -> msgpack of the remembered status (see `agents`) | for ever |
| `fsapp:{agents}:runs` | hash | switch -> core uuid of the run with which these were last brought together | for ever |
| `fsapp:{recorder}:lease` | string | which process records | LINK_LEASE_S after its last sign of life |
| `fsapp:{erased}:key` | string | the key of these hashes | ERASED_S after the last erasure |
| `fsapp:{erased}:ids` | sorted set | keyed hashes (see `erased`) by when each was erased | ERASED_S |
| `fsapp:probe` | string | nothing: written to see whether Redis takes writes | PROBE_S |

NUMBER is the E.164 form with its plus, `hidden` of callers without one. What stands in braces is the hash tag of Redis
Cluster: all keys of one customer live in one slot, and so do those of the rules and of the imports.
"""

from __future__ import annotations

__all__ = [
    "AGENT_RUNS", "AGENT_STATUS", "ALL_CONTACTS", "AVAILABILITY_S", "ERASED", "ERASED_KEY",
    "ERASED_S", "EVENTS", "HEARD_S", "IMPORTS", "KEPT_TASKS",
    "KEPT_VERSIONS", "LEASE_PREFIX", "LEASE_S", "LINK_LEASE_S", "PROBE", "PROBE_S", "RECORDER_LEASE", "REQUEST_S",
    "RULES_CURRENT", "RULES_VERSIONS", "TASKS_OPEN", "TASKS_OVER", "TASKS_S", "asked", "contacts", "floor", "heard",
    "import_lease", "number_of", "rights", "sticky", "tasks",
]

LEASE_S = 30
PROBE_S = 1
LINK_LEASE_S = 10
AVAILABILITY_S = 10
HEARD_S = 24 * 3600
ERASED_S = 2 * 24 * 3600
REQUEST_S = 30
KEPT_VERSIONS = 200
TASKS_S = 7 * 24 * 3600
KEPT_TASKS = 20_000

ALL_CONTACTS = "fsapp:{*}:contacts"  # a pattern for SCAN
IMPORTS = "fsapp:{imports}:state"
LEASE_PREFIX = "fsapp:{imports}:lease:"
RULES_CURRENT = "fsapp:{rules}:current"
RULES_VERSIONS = "fsapp:{rules}:versions"
EVENTS = "fsapp:events"
AGENT_STATUS = "fsapp:{agents}:status"
AGENT_RUNS = "fsapp:{agents}:runs"
TASKS_OPEN = "fsapp:{tasks}:open"
TASKS_OVER = "fsapp:{tasks}:over"
ERASED_KEY = "fsapp:{erased}:key"
ERASED = "fsapp:{erased}:ids"
PROBE = "fsapp:probe"
RECORDER_LEASE = "fsapp:{recorder}:lease"


def contacts(number: str) -> str:
    return f"fsapp:{{{number}}}:contacts"


def number_of(key: bytes) -> str:
    """Whose a customer's key is."""
    return key.decode(errors="replace").partition("{")[2].partition("}")[0]


def rights(number: str) -> str:
    return f"fsapp:{{{number}}}:rights"


def sticky(number: str) -> str:
    return f"fsapp:{{{number}}}:sticky"


def heard(number: str) -> str:
    return f"fsapp:{{{number}}}:heard"


def asked(number: str) -> str:
    return f"fsapp:{{{number}}}:asked"


def tasks(number: str) -> str:
    return f"fsapp:{{{number}}}:tasks"


def import_lease(batch: int) -> str:
    return f"{LEASE_PREFIX}{batch}"


def floor(switch: str, part: str) -> str:
    """What is kept of one switch; `part` as in the table above."""
    return f"fsapp:{{floor:{switch}}}:{part}"
