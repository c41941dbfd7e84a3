"""What one connection wants to hear: event names, subclasses, filters. Used by both directions."""

from __future__ import annotations

from collections.abc import Sequence

from fsapp.lab.wire import Command, Sender, event_message, reply

__all__ = ["MY_EVENTS", "Listener"]

MY_EVENTS = frozenset((
    "CHANNEL_ANSWER", "CHANNEL_APPLICATION", "CHANNEL_BRIDGE", "CHANNEL_CREATE", "CHANNEL_DATA", "CHANNEL_DESTROY",
    "CHANNEL_EXECUTE", "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_ORIGINATE",
    "CHANNEL_OUTGOING", "CHANNEL_PARK", "CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_STATE",
    "CHANNEL_UNBRIDGE", "CHANNEL_UNPARK", "CHANNEL_UUID", "DETECTED_SPEECH", "DTMF", "NOTALK", "TALK",
))
_FORMATS = ("plain", "json", "xml")


class Listener:
    """The events one connection asked for. `mine`: only those of this channel's uuid, after `myevents`."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.names: set[str] = set()
        self.subclasses: set[str] = set()
        self.mine = ""
        self.filters: list[tuple[str, str]] = []
        self.lost: int | None = 0  # how many events more vanish on the way; None: all

    def wants(self, name: str, subclass: str | None, uuid: str) -> bool:
        """Whether an event is worth building for this connection; its filters are asked later."""
        if self.mine:
            return uuid == self.mine and name in self.names
        if subclass is not None:
            return subclass in self.subclasses or "ALL" in self.names
        return name in self.names or "ALL" in self.names

    def deliver(self, text: str, headers: Sequence[tuple[str, str]]) -> None:
        """Send a built event, unless there are filters and none of them fits."""
        if self.filters:
            lowered = {(name.lower(), value) for name, value in headers}
            if not any((name.lower(), value) in lowered for name, value in self.filters):
                return
        if self.lost is None or self.lost > 0:
            self.lost = None if self.lost is None else self.lost - 1
            return
        self.sender.send(event_message(text))

    def command(self, command: Command) -> str | None:
        """The answer to event, nixevent, noevents and filter; None when it is another command."""
        verb, _, rest = command.line.partition(" ")
        verb = verb.lower()
        if verb in ("event", "events"):
            return self._event(rest.split())
        if verb == "nixevent":
            return self._nixevent(rest.split())
        if verb == "noevents":
            self.names.clear()
            self.subclasses.clear()
            return reply("+OK no longer listening for events")
        if verb == "filter":
            return self._filter(rest.split(" ", 2))
        return None

    def _event(self, words: list[str]) -> str:
        if words and words[0].lower() in _FORMATS:
            if words[0].lower() != "plain":
                return reply("-ERR the lab sends events as plain only")
            words = words[1:]
        if not words:
            return reply("-ERR no keywords supplied")
        custom = False
        for word in words:
            if custom:
                self.subclasses.add(word)
            elif word.upper() == "CUSTOM":
                custom = True
            else:
                self.names.add(word.upper())
        return reply("+OK event listener enabled plain")

    def _nixevent(self, words: list[str]) -> str:
        if not words:
            return reply("-ERR no keywords supplied")
        for word in words:
            self.names.discard(word.upper())
            self.subclasses.discard(word)
        return reply("+OK events nixed")

    def _filter(self, words: list[str]) -> str:
        if words[0].lower() == "delete" and len(words) > 1:
            name, value = words[1], words[2] if len(words) > 2 else ""
            self.filters = [
                pair for pair in self.filters
                if name.lower() != "all" and (pair[0].lower() != name.lower() or (value and pair[1] != value))
            ]
            return reply(f"+OK filter deleted. [{name}][{value}]")
        if words[0].lower() == "add":
            words = words[1:]
        if len(words) < 2:
            return reply("-ERR invalid syntax")
        name, value = words[0], " ".join(words[1:])
        self.filters.append((name, value))
        return reply(f"+OK filter added. [{name}]=[{value}]")
