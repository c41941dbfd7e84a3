"""Settings: conf/fsapp.toml and FSAPP_... in the environment, validated, frozen. Reads nothing else."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from fsapp.errors import SettingsError

__all__ = ["PLACES", "Settings", "load", "split_address"]

PLACES = ("conf/fsapp.toml", "/etc/fsapp/fsapp.toml")


def split_address(value: str) -> tuple[str, int]:
    """`HOST:PORT` as host and port; ValueError with what to write otherwise. IPv6 hosts stand in brackets."""
    found = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", value)
    if not found or int(found.group(2)) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT, write for example 127.0.0.1:8040")
    host = found.group(1).strip("[]")
    if not _resolvable(host):
        raise ValueError(f"{value!r} is not HOST:PORT: there is an empty or too long part in its name")
    return host, int(found.group(2))


def _resolvable(host: str) -> bool:
    """Whether a resolver takes the name at all; one it does not take is no OSError to those who connect."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _address(value: str) -> str:
    split_address(value)
    return value


def _redis_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("redis", "rediss", "unix") and (parts.hostname or parts.path)
        good = good and _resolvable(parts.hostname or "")
        # What is no number there would be taken for database 0.
        good = good and (parts.scheme == "unix" or re.fullmatch("/?[0-9]{0,9}/?", parts.path))
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise ValueError("not a Redis address, write for example redis://127.0.0.1:6379/0")
    return value


def _database_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        kind = parts.scheme.partition("+")[0]
        good = bool(kind in ("postgresql", "postgres") and parts.path.strip("/")) or (
            kind == "sqlite" and not parts.netloc and len(parts.path) > 1)
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        raise ValueError("not an address of a database, write for example sqlite:///var/fsapp.db or "
                         "postgresql://fsapp@localhost/fsapp")
    if parts.netloc.count("@") > 1:  # what is behind the first one would be taken for the host, and shown
        raise ValueError("an @ in user or password is written %40")
    return value


def _smtp_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("smtp", "smtps", "smtp+starttls") and bool(parts.hostname) and not parts.query
        good = good and _resolvable(parts.hostname or "") and parts.path in ("", "/") and parts.port != 0
    except ValueError:
        good = False
    if value and not good:
        raise ValueError("not an address of a mail server, write for example smtp+starttls://user:password@mail:587")
    return value


def _mail_from(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z0-9_.%+'-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", value):
        raise ValueError("no e-mail address, write for example fsapp@example.com")
    return value


def _lookup(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^/\s{}]+\S*", value) or value.count("{number}") != bool(value):
        raise ValueError("not an address to ask with, write for example https://crm.example.com/by-number/{number}")
    return value


Days = Annotated[int, Field(ge=0, le=36_500)]
Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseModel):
    """Everything a process can be told. Each field is also FSAPP_NAME in the environment, which wins over the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field(
        "redis://127.0.0.1:6379/0", description="where the hot state is: redis://, rediss:// or unix://")
    listen: Address = Field("127.0.0.1:8040", description="where `fsapp serve` awaits the switch's outbound sockets")
    http: Address = Field("127.0.0.1:8042", description="where /metrics and /healthz are served")
    switch: Address = Field("127.0.0.1:8021", description="the switch's event socket")
    switch_password: str = Field("", description="the password of the switch's event socket; no default")
    switch_name: str = Field(
        "main", pattern="^[a-z0-9]+(-[a-z0-9]+)*$",
        description="the name of that switch, as `home` in the rules and fsapp_switch in the dialplan")
    link_http: Address = Field("127.0.0.1:8043", description="where `fsapp link` serves /metrics and /healthz")
    contacts_check_s: float = Field(
        3600.0, ge=0, le=7 * 24 * 3600,
        description="how often `fsapp recorder` reads all contacts of Redis; 0: only after imports")
    recorder_http: Address = Field("127.0.0.1:8044", description="where `fsapp recorder` serves /metrics and /healthz")
    sync_s: float = Field(30.0, gt=0, le=3600, description="how often `fsapp link` holds the switch against the rules")
    web_listen: Address = Field("127.0.0.1:8041", description="where `fsapp web` serves the API")
    web_http: Address = Field("127.0.0.1:8045", description="where `fsapp web` serves /metrics and /healthz")
    web_rate: float = Field(50.0, gt=0, le=100_000, description="requests a second that `fsapp web` takes of one token")
    pop_lookup: Annotated[str, AfterValidator(_lookup)] = Field(
        "", description="the address of a CRM that is asked about who calls, with {number} in it; empty for none")
    pop_lookup_s: float = Field(1.5, gt=0, le=30, description="how long that CRM is waited for")
    database_url: Annotated[str, AfterValidator(_database_url)] = Field(
        "sqlite:///var/fsapp.db", description="where the memory is: sqlite:///FILE or postgresql://USER@HOST/NAME")
    cdr: str = Field(
        "/var/log/freeswitch/json_cdr", description="the folder where the switch writes a JSON file of each ended leg")
    short_abandoned_s: float = Field(
        5.0, ge=0, le=3600, description="in reports, a caller who hangs up sooner than this has abandoned at once")
    followups_http: Address = Field(
        "127.0.0.1:8046", description="where `fsapp followups run` serves /metrics and /healthz")
    smtp_url: Annotated[str, AfterValidator(_smtp_url)] = Field(
        "", description="the mail server: smtp://, smtp+starttls:// or smtps://USER:PASSWORD@HOST:PORT")
    mail_from: Annotated[str, AfterValidator(_mail_from)] = Field(
        "", description="whom letters of follow-ups are from")
    tag_model: str = Field("var/tags.json", description="what has been learnt of tags, with the extra fsapp[tags]")
    recordings: str = Field("var/recordings", description="the folder where the switch writes recordings")
    rules: str = Field("conf/rules", description="the folder of the routing rules")
    dialplan: str = Field("dialplan", description="the folder of the dialplan XML")
    sounds: str = Field("sounds", description="the folder of the prompts, and the catalogue they are made of")
    snapshot: str = Field("var/rules.snapshot", description="the last good rules, for a start without Redis")
    max_visits: int = Field(1000, ge=1, le=100_000, description="visits at a time; beyond it calls go to the fallback")
    first_word_s: float = Field(5, gt=0, le=60, description="how long a new connection may say nothing")
    visit_s: float = Field(10, gt=0, le=3600, description="how long a visit may take in all")
    drain_s: float = Field(5, gt=0, le=300, description="how long SIGTERM waits for running visits")
    redis_timeout_s: float = Field(0.25, gt=0, le=10, description="how long a visit waits for Redis")
    stream_length: int = Field(100_000, ge=100, le=10**9, description="about how many events the stream keeps")
    backlog: int = Field(50_000, ge=0, description="how many events are kept in memory while Redis is away")
    keep_interactions_days: Days = Field(
        730, description="days kept, 0 for ever: calls and what else is on the timeline")
    keep_decisions_days: Days = Field(
        90, description="days kept, 0 for ever: why calls were decided so: traces and facts")
    keep_notes_days: Days = Field(730, description="days kept, 0 for ever: notes")
    keep_tickets_days: Days = Field(1095, description="days kept, 0 for ever: tickets that are closed")
    keep_voicemails_days: Days = Field(
        90, description="days kept, 0 for ever: messages that callers left, with their files")
    keep_surveys_days: Days = Field(730, description="days kept, 0 for ever: answers to the questions of flows")
    keep_attempts_days: Days = Field(
        730, description="days kept, 0 for ever: attempts to reach customers, dispositions")
    keep_tasks_days: Days = Field(365, description="days kept, 0 for ever: tasks that are over")
    keep_customer_events_days: Days = Field(365, description="days kept, 0 for ever: changes of rights and stickiness")
    keep_followups_days: Days = Field(90, description="days kept, 0 for ever: what followed from calls by rule")
    keep_contacts_days: Days = Field(
        730, description="days kept, 0 for ever: contacts that are closed or removed, from when they last changed")
    keep_agents_days: Days = Field(730, description="days kept, 0 for ever: statuses, sessions and breaks of agents")
    keep_access_log_days: Days = Field(365, description="days kept, 0 for ever: who looked at what")
    keep_call_states_days: Days = Field(30, description="days kept, 0 for ever: what rows of calls are made of")
    keep_quarantine_days: Days = Field(90, description="days kept, 0 for ever: events that could not be written")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")
    log_json: bool = Field(False, description="one JSON object a line, for machines")
    mask_numbers: bool = Field(True, description="show callers' numbers in the log with the middle hidden")


def load(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from `path`, else FSAPP_CONFIG, else the first of PLACES that is there, else the defaults.

    SettingsError with one line a fault: the file, the key, what is wrong.
    """
    path = path or environ.get("FSAPP_CONFIG") or next((place for place in PLACES if Path(place).is_file()), None)
    values: dict[str, object] = {}
    if path is not None:
        values = _read(Path(path))
    came_from = dict.fromkeys(values, str(path))
    for name in Settings.model_fields:
        variable = f"FSAPP_{name.upper()}"
        if variable in environ:
            values[name] = environ[variable]
            came_from[name] = f"environment, {variable}"
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        faults = []
        for item in error.errors():
            name = str(item["loc"][0])
            message = item["msg"].removeprefix("Value error, ")
            if item["type"] == "extra_forbidden":
                message = f"is no setting; there are {', '.join(Settings.model_fields)}"
            faults.append(f"{came_from.get(name, path)}: {name}: {message}")
        raise SettingsError("the settings are wrong", faults) from None


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise SettingsError(f"{path}: is not TOML: nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, no UTF-8, and a whole number of thousands of digits
        raise SettingsError(f"{path}: is not TOML: {error}") from None
