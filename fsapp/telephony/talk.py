"""What a flow does with a caller, as commands on the call: says prompts, takes keys, notes where the caller is.

Knows no flow. A prompt that is not on the switch's disk is a tone instead, so that nobody is ever left in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from fsapp.core.visit import CONTEXT, FALLBACK_EXTENSION
from fsapp.errors import HangUp
from fsapp.log import get_logger
from fsapp.telephony import command
from fsapp.telephony.esl import Message
from fsapp.telephony.session import Session

__all__ = ["Talk"]

DIGIT_S = 3          # between two keys
PROMPT_S = 60        # the longest that a prompt may be
SPARE_S = 5          # for the switch to say that it has done what it did
PATIENCE_S = 10      # that the dialplan leaves beyond that
_TONE = "tone_stream://%(330,30,950);%(330,300,1400)"
_KEYS = "fsapp_keys"
_log = get_logger("flow")


class Talk:
    """One caller. `prompts` is the switch's folder of prompts of its own language, others beside it by their names;
    `recordings` its folder of recordings.

    `patience_id`: what the dialplan has scheduled in case nobody decides; `keep` puts it off. Everything raises what a
    Session does.
    """

    def __init__(self, session: Session, prompts: str, recordings: str, patience_id: str) -> None:
        self._session = session
        self._recordings = PurePosixPath(recordings or "/")
        self._prompts = PurePosixPath(prompts or "/")
        self._patience_id = patience_id

    def _run(self, application: str, argument: str, timeout_s: float) -> Message:
        """Runs an application to its end. HangUp where it ended as the caller went: the notice of that comes later."""
        done = self._session.execute(application, argument, timeout_s)
        if done.get("Answer-State") == "hangup":
            raise HangUp("the caller has gone")
        return done

    def still_there(self) -> None:
        """HangUp if the caller has gone while we asked somebody else."""
        self._session.send(command.STILL_THERE)

    def begin(self) -> None:
        """From now on the caller hears us."""
        self._session.myevents()
        self._run("answer", "", SPARE_S)

    def keep(self, variables: Mapping[str, str], seconds: float) -> None:
        """Notes on the call where its caller is; should nothing come for `seconds`, the dialplan takes it back."""
        when = f"+{int(seconds) + PATIENCE_S} {FALLBACK_EXTENSION} XML {CONTEXT}"
        scheduled = self._run("sched_transfer", when, SPARE_S)
        earlier, self._patience_id = self._patience_id, scheduled.get("variable_last_sched_id") or ""
        commands = [command.multiset({**variables, "fsapp_patience_id": self._patience_id})]
        if earlier:
            commands.insert(0, command.execute("sched_cancel", earlier))
        self._session.send_all(*commands)

    def say(self, prompts: Sequence[str], language: str | None) -> None:
        """Plays prompts one after the other, to their end."""
        for prompt in prompts:
            path = self._path(prompt, language)
            played = self._run("playback", command.path(path), PROMPT_S + SPARE_S)
            if played.get("Application-Response") == "FILE NOT FOUND":
                self._missing(path)
                self._run("playback", _TONE, PROMPT_S)

    def collect(
        self, prompts: Sequence[str], language: str | None, *, most: int, timeout_s: int, ended: bool, fresh: bool,
    ) -> str:
        """Plays prompts and returns the keys pressed, which cut them short; the last may be # where `ended`."""
        if fresh:
            self._session.send(command.execute("flush_dtmf"))
        paths = [self._path(prompt, language) for prompt in prompts]
        keys = self._keys(paths, most, timeout_s, ended)
        if keys is None:
            self._missing(*paths)
            keys = self._keys([_TONE], most, timeout_s, ended)
        return keys or ""

    def _keys(self, files: Sequence[str], most: int, timeout_s: int, ended: bool) -> str | None:
        """The keys; None where the switch could not play what should come before them."""
        ask = command.digits(files, most, timeout_s * 1000, DIGIT_S * 1000, "#" if ended else "", _KEYS)
        longest = len(files) * PROMPT_S + timeout_s + most * DIGIT_S + SPARE_S
        done = self._run("play_and_get_digits", ask, longest)
        keys = done.get(f"variable_{_KEYS}") or ""
        return keys if keys or done.get("variable_read_result") else None

    def record(self, file: str, most_s: int, begun: Callable[[], None]) -> None:
        """Records the caller after a tone, into this file below the switch's folder of recordings, until a key.

        `begun` is called when the switch has begun: from then on it records, whatever becomes of us.
        """
        path = command.path(f"{self._recordings / file}")
        self._run("playback", _TONE, PROMPT_S)
        self._run("record_session", path, SPARE_S)  # unlike `record` it makes the folder, and a full disk ends no call
        begun()
        ask = command.digits(["silence_stream://100"], 1, most_s * 1000, DIGIT_S * 1000, "", _KEYS)
        self._run("play_and_get_digits", ask, most_s + SPARE_S)
        self._run("stop_record_session", path, SPARE_S)

    def leave(self, *block: bytes) -> None:
        """The call goes where no extension of fsapp's would put an end to the dialplan's patience."""
        first = [command.execute("sched_cancel", self._patience_id)] if self._patience_id else []
        self._session.leave(*first, *block)

    def _path(self, prompt: str, language: str | None) -> str:
        spoken, _, name = prompt.rpartition("/")
        spoken = spoken or language or ""
        folder = self._prompts.parent / spoken if spoken else self._prompts
        return f"{folder / name}.wav"

    def _missing(self, *paths: str) -> None:
        _log.error("prompt_missing", call=self._session.uuid, paths=paths,
                   advice="one of these is not on the switch: `fsapp doctor` says which")
