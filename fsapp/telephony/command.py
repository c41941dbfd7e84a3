"""The one place where commands to the switch are put together. Sends nothing.

What names things (an application, a variable, an extension, a context, a cause) must look like what it is, or
`UnsafeArgument` is raised. What people wrote (the values of variables) is made harmless by `value`. So no argument,
from wherever it comes, starts a line of its own or is expanded by the switch.

Where the rules come from: the switch expands `${...}` in every execute-app-arg, and again in what `set` and its like
assign; it takes a backslash and single quotes apart when it splits a list; a `|` breaks mod_callcenter's tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fsapp.core.clean import clean_text
from fsapp.errors import UnsafeArgument

__all__ = [
    "CONNECT", "EXIT", "MAX_ARGUMENT", "MAX_VALUE", "MYEVENTS", "STILL_THERE", "api", "auth", "bgapi", "callcenter",
    "digits", "execute", "flow_call", "hangup", "line", "linger", "multiset", "originate", "path", "placeholder",
    "set_profile_var", "sofia_contact", "subscribe", "transfer", "user_data", "uuid_displace", "uuid_exists",
    "uuid_kill", "uuid_transfer", "value",
]

CONNECT = b"connect\n\n"
EXIT = b"exit\n\n"
MYEVENTS = b"myevents\n\n"
STILL_THERE = b"getvar uuid\n\n"  # what it is answered does not matter
MAX_VALUE = 2000
MAX_ARGUMENT = 64_000
_MAX_VARIABLES = 250  # mod_dptools splits what multiset gets into at most 256

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN = re.compile(r"[A-Za-z0-9_+@#*:;,./=()!?&-]*\Z")
_ENCODED = re.compile(r"%(?=[0-9A-Fa-f]{2})")
_NEUTRAL = str.maketrans({"'": "\u2019", "\\": " ", "$": " ", "`": " ", '"': " "})
_DELIMITERS = "|;~!#&*?/,:"
_APPLICATION = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")
_EXTENSION = re.compile(r"[A-Za-z0-9_+*#.@-]{1,128}\Z")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_EVENT = re.compile(r"[A-Za-z0-9_:.-]{1,64}\Z")
_DIALLED = re.compile(r"[A-Za-z0-9+_.:@/-]{0,256}\Z")
_UUID = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_WORD = re.compile(r"[A-Za-z0-9_@.:/+-]{1,255}\Z")
_SOUND = re.compile(r"[A-Za-z0-9_./:,;()%+-]{1,300}\Z")
_KEY = re.compile(r"[0-9*#]\Z")
_FILES = re.compile(r"(?:file_string://)?(?:/[A-Za-z0-9_.+-]+)+(?:!(?:/[A-Za-z0-9_.+-]+)+){0,60}\Z")
_SHOWN = re.compile(r"\w[\w. -]{0,59}\Z")
_QUOTED = re.compile(r"[^'\\`]{1,1000}\Z")


def value(text: str) -> str:
    """`text` as the value of a variable: one line of at most MAX_VALUE characters that the switch takes as it stands.

    Controls go, `$`, backslashes, double quotes and backticks become spaces, and an apostrophe becomes U+2019. A
    percent sign before two hex digits goes too: decoded once too often it would be a newline.
    """
    if len(text) <= MAX_VALUE and _PLAIN.match(text):
        return text
    return _ENCODED.sub(" ", clean_text(text, MAX_VALUE).translate(_NEUTRAL)).strip()


def line(text: str) -> bytes:
    """A command of one line, as it goes over the wire. UnsafeArgument if it is more, or would be expanded."""
    return _argument("command", text).encode() + b"\n\n"


def execute(app: str, arg: str | None = None, *, event_uuid: str | None = None, lock: bool = False) -> bytes:
    """The message that runs `app` on the call; with `event_uuid` its end can be told from another's.

    `arg` is ours, not a caller's: put what people wrote through `value` before it goes in here.
    UnsafeArgument if it holds a control character, a line end of any kind or `${`.
    """
    parts = ["sendmsg\ncall-command: execute\nexecute-app-name: ", _matching("application", app, _APPLICATION)]
    if arg:
        parts += ["\nexecute-app-arg: ", _argument(f"argument of {app}", arg)]
    if event_uuid is not None:
        parts += ["\nEvent-UUID: ", _matching("uuid", event_uuid, _UUID)]
    if lock:
        parts.append("\nevent-lock: true")
    parts.append("\n\n")
    return "".join(parts).encode()


def multiset(variables: Mapping[str, str]) -> bytes:
    """Sets all of `variables` on the call at once; an empty value unsets its variable.

    Pairs stand apart by spaces as long as no value needs more than plain letters, digits and signs; otherwise by a
    delimiter that is in none of them, which `^^` announces.
    """
    if not 0 < len(variables) <= _MAX_VARIABLES:
        raise UnsafeArgument(f"{len(variables)} variables at once: between 1 and {_MAX_VARIABLES} can be set")
    pairs = [f"{_matching('variable', name, _VARIABLE)}={value(text)}" for name, text in variables.items()]
    joined = "".join(pairs)
    if all(_PLAIN.match(text) for text in variables.values()):
        return execute("multiset", " ".join(pairs))
    delimiter = next((char for char in _DELIMITERS if char not in joined), "")
    if not delimiter:
        delimiter = _DELIMITERS[0]
        pairs = [pair.replace(delimiter, " ") for pair in pairs]
    return execute("multiset", f"^^{delimiter}{delimiter.join(pairs)}")


def set_profile_var(name: str, text: str) -> bytes:
    """Sets a field of the caller profile, such as `caller_id_name`."""
    return execute("set_profile_var", f"{_matching('variable', name, _VARIABLE)}={value(text)}")


def transfer(extension: str, context: str) -> bytes:
    """Moves the call to `extension` of the XML dialplan's `context`."""
    extension = _matching("extension", extension, _EXTENSION)
    return execute("transfer", f"{extension} XML {_matching('context', context, _NAME)}")


def path(file: str) -> str:
    """A sound to be played: a file of the switch's, or a tone."""
    return _matching("sound", file, _SOUND)


def digits(
    files: Sequence[str], most: int, timeout_ms: int, digit_timeout_ms: int, terminator: str, variable: str,
) -> str:
    """The argument of play_and_get_digits: plays `files` one after the other, takes 1 to `most` keys into `variable`.

    `terminator`: the key that ends them, or nothing.
    """
    sound = path(files[0]) if len(files) == 1 else "file_string://" + "!".join(path(file) for file in files)
    # What is no key ends nothing; the sound after a wrong key is ours to choose.
    ended = _matching("key", terminator, _KEY) if terminator else "none"
    words = [1, most, 1, timeout_ms, ended, sound, "silence_stream://10", _matching("variable", variable, _VARIABLE)]
    return " ".join(str(word) for word in (*words, ".+", digit_timeout_ms))


def hangup(cause: str = "NORMAL_CLEARING") -> bytes:
    return execute("hangup", _matching("cause", cause, _NAME))


def api(command: str) -> bytes:
    """An api command that is answered when it is done."""
    return line(f"api {_given(command)}")


def bgapi(command: str, job_uuid: str) -> bytes:
    """An api command that runs in the background; its BACKGROUND_JOB carries `job_uuid`."""
    return line(f"bgapi {_given(command)}")[:-1] + f"Job-UUID: {_matching('uuid', job_uuid, _UUID)}\n\n".encode()


def callcenter(*words: str) -> str:
    """An api command of mod_callcenter. What is no plain word (a status, a contact) is quoted.

    UnsafeArgument if a word is empty or would not come out of its quotes as it went in: the module takes the line apart
    at spaces, knows single quotes and backslashes, and expands `${...}` in a contact when it calls it.
    """
    parts = ["callcenter_config"]
    for word in words:
        plain = _WORD.match(word)
        parts.append(word if plain else f"'{_matching('word for mod_callcenter', word, _QUOTED)}'")
    return _argument("command of mod_callcenter", " ".join(parts))


def sofia_contact(user: str) -> str:
    """The api command that says where the phones of USER@DOMAIN are registered, in whatever profile."""
    return f"sofia_contact */{_matching('user', user, _EXTENSION)}"


def user_data(user: str, parameter: str) -> str:
    """The api command for a parameter that the directory has of USER@DOMAIN."""
    return f"user_data {_matching('user', user, _EXTENSION)} param {_matching('parameter', parameter, _NAME)}"


def uuid_displace(call: str, files: str, *, start: bool) -> str:
    """The api command that plays files (a path, or file_string://PATH!PATH) over what a call hears, or ends it.

    Keys are heard meanwhile; what the call itself is doing goes on.
    """
    what = "start" if start else "stop"
    return f"uuid_displace {_matching('uuid', call, _UUID)} {what} {_matching('files', files, _FILES)}"


def uuid_exists(call: str) -> str:
    """The api command that says whether a call lives."""
    return f"uuid_exists {_matching('uuid', call, _UUID)}"


def uuid_transfer(call: str, extension: str, context: str) -> str:
    """The api command that moves a call, from outside of it, to an extension of the XML dialplan's `context`."""
    extension = _matching("extension", extension, _EXTENSION)
    return f"uuid_transfer {_matching('uuid', call, _UUID)} {extension} XML {_matching('context', context, _NAME)}"


def uuid_getvar(call: str, name: str) -> str:
    """The api command that asks for a variable of a call."""
    return f"uuid_getvar {_matching('uuid', call, _UUID)} {_matching('variable', name, _VARIABLE)}"


def uuid_record(call: str, path: str, *, mask: bool) -> str:
    """The api command that keeps what is said out of a file being recorded, or lets it in again."""
    what, call = "mask" if mask else "unmask", _matching("uuid", call, _UUID)
    return _argument("path of a recording", f"uuid_record {call} {what} '{_matching('path', path, _QUOTED)}'")


def originate(dial: str, application: str, variables: Mapping[str, str]) -> str:
    """The api command that calls `dial` and runs `application` on it, with `variables` on the call.

    UnsafeArgument for a value or a dial string that is more than letters, digits and `+_.:@/-`.
    """
    pairs = [
        f"{_matching('variable', name, _VARIABLE)}={_matching(f'value of {name}', text, _DIALLED)}"
        for name, text in variables.items()
    ]
    where = _matching("dial string", dial, _DIALLED)
    return f"originate {{{','.join(pairs)}}}{where} &{_matching('application', application, _APPLICATION)}()"


def placeholder(call: str, number: str, name: str, variables: Mapping[str, str]) -> str:
    """The api command that has a call with the uuid `call` stand in line for a customer of this `number` and `name`.

    It goes through the dialplan twice: fsapp-visit for the leg that shows the customer as its caller, fsapp-place for
    the far one. Without bowing out: the switch would take the legs out of each other. UnsafeArgument as in `originate`;
    a name that is more than words is left out.
    """
    shown = _matching("number", number, _DIALLED)
    called = name if _SHOWN.match(name) else shown
    own = {
        "origination_uuid": _matching("uuid", call, _UUID), "origination_caller_id_number": shown,
        "origination_callee_id_number": shown, "originate_timeout": "10", "max_session_transfers": "1000",
        "loopback_bowout": "false", "loopback_bowout_on_execute": "false",
    }
    pairs = [
        f"{_matching('variable', key, _VARIABLE)}={_matching(f'value of {key}', text, _DIALLED)}"
        for key, text in (own | dict(variables)).items()
    ]
    pairs += [f"origination_{side}_id_name='{called}'" for side in ("caller", "callee")]
    return f"originate {{{','.join(pairs)}}}loopback/fsapp-place/fsapp/XML fsapp-visit XML fsapp"


def flow_call(call: str, dial: str, number: str, shown: str, ring_s: int, variables: Mapping[str, str]) -> str:
    """The api command that calls a customer by `dial` with the uuid `call`; answered, the call goes to fsapp-ask.

    `number`: the customer's, as whose the call then is; `shown`: what the customer sees. A redirection (302) is not
    followed. UnsafeArgument as in `originate`.
    """
    own = {
        "origination_uuid": _matching("uuid", call, _UUID), "origination_caller_id_number": shown,
        "origination_caller_id_name": shown, "origination_callee_id_number": number,
        "origination_callee_id_name": number, "originate_timeout": str(ring_s), "max_session_transfers": "1000",
        "ignore_early_media": "true", "outbound_redirect_fatal": "true",
    }
    pairs = [
        f"{_matching('variable', key, _VARIABLE)}={_matching(f'value of {key}', text, _DIALLED)}"
        for key, text in (own | dict(variables)).items()
    ]
    where = _matching("dial string", dial, _DIALLED)
    return f"originate {{{','.join(pairs)},absolute_codec_string=^^:PCMA:PCMU}}{where} fsapp-ask XML fsapp"


def uuid_kill(call: str) -> str:
    """The api command that ends a call."""
    return f"uuid_kill {_matching('uuid', call, _UUID)} NORMAL_CLEARING"


def auth(password: str) -> bytes:
    """The password is never part of a fault."""
    if not password or _UNSAFE.search(password):
        raise UnsafeArgument("the switch's password is empty or holds a control character: set FSAPP_SWITCH_PASSWORD")
    return f"auth {password}\n\n".encode()


def subscribe(*events: str) -> bytes:
    """Plain events by name; those of a subclass, such as `callcenter::info`, are asked for as CUSTOM ones."""
    names = [_matching("event", name, _EVENT) for name in events]
    plain = [name for name in names if "::" not in name]
    custom = [name for name in names if "::" in name]
    if not names:
        raise UnsafeArgument("no event to subscribe to")
    # Everything after CUSTOM is read as a subclass.
    return f"event plain {' '.join([*plain, *(['CUSTOM', *custom] if custom else [])])}\n\n".encode()


def linger(seconds: int) -> bytes:
    """Keeps the socket open for `seconds` after the caller has gone, so that the last events arrive."""
    return b"linger %d\n\n" % seconds


def _given(command: str) -> str:
    if not command.strip():
        raise UnsafeArgument("the api command is empty")
    return command


def _argument(what: str, text: str) -> str:
    if len(text) > MAX_ARGUMENT:
        raise UnsafeArgument(f"the {what} is longer than {MAX_ARGUMENT} characters")
    found = _UNSAFE.search(text)
    if found:
        raise UnsafeArgument(f"the {what} holds {found.group()!a} at character {found.start() + 1}: leave it out")
    if "${" in text:
        raise UnsafeArgument(f"the {what} holds '${{', which the switch would expand: leave it out")
    return text


def _matching(what: str, text: str, pattern: re.Pattern[str]) -> str:
    if not pattern.match(text):
        raise UnsafeArgument(f"{text[:80]!a} is no {what}")
    return text
