"""The dialplan's applications but for socket and callcenter: each a function of a channel and its data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from fsapp.lab.channel import Channel
from fsapp.lab.dialplan import Action
from fsapp.log import get_logger

__all__ = ["APPLICATIONS", "Application"]

Application = Callable[[Channel, str], None]

_log = get_logger("lab")
SOUND_S = 2.0           # how long a sound file is
FOREVER_S = 86_400.0    # how long a parked call may stay
_TONE = re.compile(r"%\((\d+),(\d+)")
_RESPONSES = {
    "403": "CALL_REJECTED", "404": "UNALLOCATED_NUMBER", "480": "NO_USER_RESPONSE", "486": "USER_BUSY",
    "603": "CALL_REJECTED",
}


def _set(channel: Channel, data: str) -> None:
    name, _, value = data.partition("=")
    if name.strip():
        channel.set(name.strip(), value.strip())


def _unset(channel: Channel, data: str) -> None:
    channel.set(data.strip(), None)


def _multiset(channel: Channel, data: str) -> None:
    delimiter = " "
    if data.startswith("^^") and len(data) > 2:
        delimiter, data = data[2], data[3:]
    for item in data.split(delimiter):
        _set(channel, item)


def _export(channel: Channel, data: str) -> None:
    _set(channel, data)
    name = data.partition("=")[0].strip()
    names = [known for known in channel.get("export_vars").split(",") if known and known != name]
    channel.set("export_vars", ",".join([*names, name]))


def _set_profile_var(channel: Channel, data: str) -> None:
    name, _, value = data.partition("=")
    channel.set_profile(name.strip(), value.strip())


def _answer(channel: Channel, _data: str) -> None:
    channel.answer()


def _pre_answer(channel: Channel, _data: str) -> None:
    channel.early_media()


def _ring_ready(channel: Channel, _data: str) -> None:
    channel.switch.fire("CHANNEL_PROGRESS", channel)


def pause(channel: Channel, lab_s: float) -> None:
    """So many lab seconds, or until the channel is hung up or transferred."""
    clock = channel.switch.clock
    until = clock.now() + lab_s
    while channel.ready and (left := until - clock.now()) > 0:
        channel.wait(left)


def sound_s(file: str) -> float:
    """How many seconds something to be played takes: tones and silence say it, files take SOUND_S."""
    if file.startswith("silence_stream://"):
        digits = re.match(r"-?\d+", file.removeprefix("silence_stream://"))
        return max(0, int(digits[0])) / 1000 if digits else 0.0
    if file.startswith("tone_stream://"):
        return sum(int(on) + int(off) for on, off in _TONE.findall(file)) / 1000
    return SOUND_S


def _missing(file: str) -> bool:
    path = Path(file)
    return path.is_absolute() and path.parent.is_dir() and not path.exists()


def _playback(channel: Channel, data: str) -> None:
    """A file is missing when its folder is there and it is not: without sounds every file is taken to be there."""
    channel.early_media()
    missing = _missing(data)
    if missing:
        _log.error("no_such_sound", uuid=channel.uuid, path=data)
    else:
        pause(channel, sound_s(data))
    channel.set("current_application_response", "FILE NOT FOUND" if missing else "FILE PLAYED")


def _sleep(channel: Channel, data: str) -> None:
    pause(channel, int(data) / 1000 if data.strip().isdecimal() else 0)


def _hangup(channel: Channel, data: str) -> None:
    channel.hangup(data.strip().upper() or "NORMAL_CLEARING", "hangup")


def _respond(channel: Channel, data: str) -> None:
    channel.hangup(_RESPONSES.get(data.strip()[:3], "NORMAL_TEMPORARY_FAILURE"), "hangup")


def _transfer(channel: Channel, data: str) -> None:
    words = data.split()
    if words:
        channel.transfer(words[0], words[1] if len(words) > 1 else "XML", words[2] if len(words) > 2 else "")


def _execute_extension(channel: Channel, data: str) -> None:
    words = data.split()
    if not words:
        return
    context = words[2] if len(words) > 2 else channel.profile.context

    def run(action: Action) -> None:
        if channel.ready:
            channel.execute(action.application, action.data)

    for action in channel.switch.dialplan.hunt(context, channel.renamed(words[0]), run):
        run(action)


def _log_line(channel: Channel, data: str) -> None:
    level, _, text = data.partition(" ")
    write = {"ERR": _log.error, "CRIT": _log.error, "WARNING": _log.warning}.get(level.upper(), _log.info)
    write("dialplan_says", text=text, uuid=channel.uuid)


def _park(channel: Channel, _data: str) -> None:
    channel.switch.fire("CHANNEL_PARK", channel)
    pause(channel, FOREVER_S)


def _play_and_get_digits(channel: Channel, data: str) -> None:
    """MIN MAX TRIES TIMEOUT_MS TERMINATORS FILE INVALID_FILE VARIABLE REGEXP [DIGIT_TIMEOUT_MS]"""
    words = data.split(" ")
    if len(words) < 9:
        _log.error("too_few_arguments", application="play_and_get_digits", data=data)
        return
    least, most, tries, timeout_ms = (int(word) if word.isdecimal() else 0 for word in words[:4])
    terminators, file, invalid, variable, wanted = words[4:9]
    digit_s = int(words[9]) / 1000 if len(words) > 9 and words[9].isdecimal() else timeout_ms / 1000
    channel.early_media()
    channel.set(variable, None)
    channel.set("read_result", None)
    files = file.removeprefix("file_string://").split("!")
    if all(_missing(one) for one in files):
        # It plays the other sound for each try, and is done: no result is left, by which this can be known.
        _log.error("no_such_sound", uuid=channel.uuid, path=file)
        return
    for _ in range(max(1, tries)):
        digits = _collect(channel, max(1, most), terminators, sum(map(sound_s, files)) + timeout_ms / 1000, digit_s)
        if not channel.ready:
            break
        if len(digits) >= least and re.fullmatch(wanted, digits):
            channel.set(variable, digits)
            channel.set("read_result", "success")
            return
        pause(channel, sound_s(invalid))
    channel.set("read_result", "failure")


def _collect(channel: Channel, most: int, terminators: str, first_s: float, next_s: float) -> str:
    clock = channel.switch.clock
    digits = ""
    until = clock.now() + first_s
    while channel.ready and len(digits) < most:
        if channel.digits:
            digit = channel.digits.popleft()
            channel.switch.fire(
                "DTMF", channel, variables=False,
                extra=[("DTMF-Digit", digit), ("DTMF-Duration", "2000"), ("DTMF-Source", "APP")])
            if digit in terminators:
                break
            digits += digit
            until = clock.now() + next_s
        elif (left := until - clock.now()) <= 0:
            break
        else:
            channel.wait(left)
    return digits


def _record_session(channel: Channel, data: str) -> None:
    """PATH [+LIMIT_S]: record what is said from now on, until the call ends or stop_record_session."""
    path, _, limit = data.partition(" +")
    if channel.recordings.start(path.strip()) and limit.strip().isdecimal():
        channel.schedule(int(limit), _stop_record_session, path.strip())


def _stop_record_session(channel: Channel, data: str) -> None:
    channel.recordings.stop(data.strip())


def _record_session_mask(channel: Channel, data: str) -> None:
    channel.recordings.mask(data.strip(), masked=True)


def _record_session_unmask(channel: Channel, data: str) -> None:
    channel.recordings.mask(data.strip(), masked=False)


def _in_s(channel: Channel, when: str) -> float:
    """In how many seconds `+N`, or a moment in epoch seconds, is."""
    if not when.removeprefix("+").isdecimal():
        return 0.0
    return int(when[1:]) if when.startswith("+") else max(0.0, int(when) - channel.switch.clock.now())


def _sched_transfer(channel: Channel, data: str) -> None:
    when, *words = data.split()
    channel.schedule(_in_s(channel, when), _transfer, " ".join(words))


def _sched_hangup(channel: Channel, data: str) -> None:
    when, _, cause = data.partition(" ")
    channel.schedule(_in_s(channel, when), _hangup, cause or "ALLOTTED_TIMEOUT")


def _sched_cancel(channel: Channel, data: str) -> None:
    channel.cancel_scheduled(data.strip())


def _flush_dtmf(channel: Channel, _data: str) -> None:
    channel.digits.clear()


APPLICATIONS: Mapping[str, Application] = {
    "answer": _answer, "execute_extension": _execute_extension, "export": _export,
    "flush_dtmf": _flush_dtmf, "hangup": _hangup,
    "log": _log_line, "multiset": _multiset, "park": _park, "play_and_get_digits": _play_and_get_digits,
    "playback": _playback, "pre_answer": _pre_answer, "record_session": _record_session,
    "record_session_mask": _record_session_mask, "record_session_unmask": _record_session_unmask,
    "stop_record_session": _stop_record_session, "respond": _respond,
    "ring_ready": _ring_ready, "sched_cancel": _sched_cancel, "sched_hangup": _sched_hangup,
    "sched_transfer": _sched_transfer, "set": _set, "set_profile_var": _set_profile_var, "sleep": _sleep,
    "transfer": _transfer, "unset": _unset,
}
