"""Every exception that fsapp raises on purpose; nothing here imports anything of fsapp.

    FsappError                  a line for the person who asked, exit status 1
    +-- SettingsError           fsapp.toml or FSAPP_... is wrong; holds every fault
    +-- RulesError              the rules folder is refused; holds every fault
    +-- ContactsError           a contacts file or contact command is refused; holds every fault
    +-- SheetError              a file of rows (CSV, XLSX) cannot be read or written; holds every fault
    +-- CustomersError          a customer, or what is said of one, is refused; holds every fault
    |   +-- NumberTaken         the number is another customer's
    +-- RecordingError          the folder of recordings cannot be read, or a call is not being recorded
    +-- SoundsError             the catalogue of prompts, or a sound, is wrong or cannot be made; holds every fault
    +-- TaggingError            there is nothing to learn tags from or with, or the model is none
    +-- DialplanError           dialplan XML is refused; holds every fault
    +-- ScenarioError           a lab scenario is refused, or ran and did not go well; holds every fault
    +-- StateError              Redis said no
    |   +-- StateUnavailable    Redis does not answer
    |   +-- StateRefused        Redis answers, and will not store (full, read-only, too old, wrong password)
    +-- RecordsError            the memory (SQL) refuses, or what was asked of it is wrong
    |   +-- RecordsUnavailable  the database does not answer, is full, read-only or not there
    |   |   +-- RecordsBusy     somebody else writes to it for long
    |   +-- RecordsOutdated     the database is of another version than this fsapp
    +-- ListenError             the address to listen on cannot be had
    +-- SwitchError             the event socket
        +-- SwitchUnavailable   nobody answers there
        +-- SwitchRefused       wrong password, rude rejection, access list
        +-- ProtocolError       what came is not the event socket protocol
        +-- Timeout             the switch did not answer in time
        +-- HangUp              the caller or the connection is gone: one signal, caught once, in the handler
        +-- UnsafeArgument      a value that would start a command of its own
        +-- NoLink              no `fsapp link` runs for that switch, or it does not answer
        +-- RequestRefused      the link will not do what it was asked to; holds every fault
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ContactsError", "CustomersError", "DialplanError", "FsappError", "HangUp", "ListenError", "NoLink", "NumberTaken",
    "ProtocolError", "RecordingError", "RecordsBusy", "RecordsError", "RecordsOutdated", "RecordsUnavailable",
    "RequestRefused", "RulesError", "ScenarioError", "SettingsError", "SheetError", "SoundsError", "StateError",
    "StateRefused", "StateUnavailable", "SwitchError", "SwitchRefused", "SwitchUnavailable", "TaggingError", "Timeout",
    "UnsafeArgument",
]


class FsappError(Exception):
    """Something is wrong that the person at the keyboard can mend; `faults` has one line each."""

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.faults: tuple[str, ...] = tuple(faults) or (message,)


class SettingsError(FsappError):
    pass


class RulesError(FsappError):
    pass


class ContactsError(FsappError):
    pass


class SheetError(FsappError):
    pass


class CustomersError(FsappError):
    pass


class NumberTaken(CustomersError):
    """`customer_id`: whose it is."""

    def __init__(self, message: str, customer_id: str) -> None:
        super().__init__(message)
        self.customer_id = customer_id


class RecordingError(FsappError):
    pass


class SoundsError(FsappError):
    pass


class TaggingError(FsappError):
    pass


class DialplanError(FsappError):
    pass


class ScenarioError(FsappError):
    pass


class StateError(FsappError):
    pass


class StateUnavailable(StateError):
    pass


class StateRefused(StateError):
    pass


class RecordsError(FsappError):
    pass


class RecordsUnavailable(RecordsError):
    pass


class RecordsBusy(RecordsUnavailable):
    pass


class RecordsOutdated(RecordsError):
    pass


class ListenError(FsappError):
    pass


class SwitchError(FsappError):
    pass


class SwitchUnavailable(SwitchError):
    pass


class SwitchRefused(SwitchError):
    pass


class ProtocolError(SwitchError):
    pass


class Timeout(SwitchError):
    pass


class HangUp(SwitchError):
    pass


class UnsafeArgument(SwitchError):
    pass


class NoLink(SwitchError):
    pass


class RequestRefused(SwitchError):
    pass
