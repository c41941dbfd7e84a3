"""Which phones are registered at the switch, and where the switch says they are. Rings nobody."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["PROFILES", "Phone", "Phones", "user_of"]

PROFILES = ("phones", "browsers", "trunks", "peers")
NOT_REGISTERED = "error/user_not_registered"
_USER = re.compile(r"(?:^|/|\]|\})user/([^@/\s]+)(?:@([^/\s]+))?$")


def user_of(contact: str) -> tuple[str, str] | None:
    """The user and domain of a contact `user/ID@DOMAIN`, whatever brackets stand before it; None for other contacts."""
    found = _USER.search(contact)
    return (found[1], found[2] or "") if found else None


@dataclass(frozen=True, slots=True)
class Phone:
    user: str
    domain: str
    profile: str = "phones"

    @property
    def port(self) -> int:
        return 10_000 + zlib.crc32(f"{self.user}@{self.domain}".encode()) % 50_000

    @property
    def url(self) -> str:
        return f"sofia/{self.profile}/sip:{self.user}@127.0.0.1:{self.port}"


class Phones:
    """The registered phones: those of all agents called as `user/ID@DOMAIN`, but for users in `off`."""

    def __init__(self, contacts: Callable[[], Iterable[str]]) -> None:
        self._contacts = contacts
        self.off: set[str] = set()
        self._more: dict[tuple[str, str], Phone] = {}

    def register(self, user: str, domain: str = "", profile: str = "phones") -> None:
        """A phone is there (again); with a domain also one that is no agent's."""
        self.off.discard(user)
        if domain:
            self._more[user, domain] = Phone(user, domain, profile)

    def unregister(self, user: str) -> None:
        """A phone is gone: calls to it fail with USER_NOT_REGISTERED."""
        self.off.add(user)

    def there(self) -> list[Phone]:
        phones = {who: Phone(*who) for who in map(user_of, self._contacts()) if who is not None} | self._more
        return [phone for phone in phones.values() if phone.user not in self.off]

    def reaches(self, contact: str) -> bool:
        """Whether a call to this contact can ring; contacts that need no registration always can."""
        who = user_of(contact)
        return who is None or who[0] not in self.off

    def contact(self, asked: str) -> str:
        """What `sofia_contact [PROFILE/]ID@DOMAIN` says; a profile that does not exist means all of them."""
        profile, _, user = asked.rpartition("/")
        name, _, domain = user.partition("@")
        found = [
            phone.url for phone in self.there()
            if phone.user == name and (not domain or phone.domain == domain)
            and (profile not in PROFILES or phone.profile == profile)
        ]
        return ",".join(found) or NOT_REGISTERED
