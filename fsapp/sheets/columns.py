"""Which column of a file is which: by its name, in five languages, or as somebody said. Reads no rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fsapp.core.clean import MAX_NAME, clean_text
from fsapp.errors import SheetError
from fsapp.sheets.cells import unguarded
from fsapp.sheets.rows import MAX_COLUMNS

__all__ = ["CUSTOMER_COLUMNS", "Columns", "distinct_names", "place_columns"]

# Serbian, Slovene, Hungarian, Polish, English; without accents, as `_folded` makes them.
CUSTOMER_COLUMNS: dict[str, tuple[str, ...]] = {
    "number": ("telefon", "broj telefona", "broj", "tel", "telefonska stevilka", "stevilka", "telefonszam", "szam",
               "numer telefonu", "numer", "nr telefonu", "phone", "phone number", "telephone"),
    "numbers": ("drugi telefon", "telefon 2", "telefon2", "mobilni", "mobilni telefon", "mobitel", "gsm", "mobil",
                "mobiltelefon", "masodik telefonszam", "telefon komorkowy", "komorka", "drugi numer", "mobile",
                "mobile phone", "second phone", "phone 2", "phone2", "number 2", "number2", "other numbers"),
    "name": ("ime", "ime i prezime", "kupac", "ime in priimek", "stranka", "nev", "teljes nev", "ugyfel", "imie",
             "imie i nazwisko", "klient", "full name", "customer", "first name", "keresztnev"),
    "surname": ("prezime", "priimek", "vezeteknev", "nazwisko", "last name", "family name"),
    "vip": ("vip nivo", "vip szint", "poziom vip", "vip level"),
    "language": ("jezik", "nyelv", "jezyk"),
    "timezone": ("vremenska zona", "casovni pas", "idozona", "strefa czasowa", "time zone"),
    "email": ("e-mail", "mejl", "e-posta", "elektronska posta", "e-pošta", "email cim", "adres e-mail", "mail",
              "e-mail address", "email address"),
    "company": ("firma", "preduzece", "podjetje", "ceg", "cegnev", "nazwa firmy", "organisation", "organization"),
    "tags": ("oznake", "oznaka", "cimkek", "cimke", "etykiety", "znaczniki", "labels", "tag"),
    "note": ("beleska", "napomena", "opomba", "megjegyzes", "notatka", "uwagi", "notes", "comment", "remark"),
}
_ACCENTS = str.maketrans("čćšžđáéíóöőúüűąęłńśźż", "ccszdaeiooouuuaelnszz")


@dataclass(frozen=True, slots=True)
class Columns:
    """`known`: name -> places, the first column being 0; `own`: the other columns by name."""

    width: int
    known: Mapping[str, list[int]]
    own: list[tuple[str, int]] = field(default_factory=list)


def place_columns(
    file: str, header: Sequence[str], known: Mapping[str, Sequence[str]], said: Mapping[str, str | Sequence[str]], *,
    several: Sequence[str] = (), required: str = "number",
) -> Columns:
    """Place each column once. `known`: a name -> its other names, which count where nothing has the name itself.

    `said`: a known name -> the file's name for it, or several where that may have some. SheetError, a line a fault.
    """
    names = [clean_text(unguarded(cell), MAX_NAME) for cell in header]
    while names and not names[-1]:
        names.pop()
    folded = [name.casefold() for name in names]
    faults = [f"column {place} has no name" for place, name in enumerate(names, 1) if not name]
    twice = {name for name in folded if name and folded.count(name) > 1}
    faults += [f"there are two columns {name!r}" for name in sorted(twice)]
    if len(names) > MAX_COLUMNS:
        faults.append(f"has {len(names)} columns, at most {MAX_COLUMNS} can be kept")
    there = ", ".join(names[:20])
    places: dict[str, list[int]] = {}
    for name, columns in said.items():
        for column in [columns] if isinstance(columns, str) else columns:
            wanted = clean_text(unguarded(column), MAX_NAME).casefold()
            if wanted in folded:
                places.setdefault(name, []).append(folded.index(wanted))
            else:
                faults.append(f"there is no column {column!r} for {name}; there are: {there}")
    taken = {place for some in places.values() for place in some}
    for name, others in known.items():
        if name in said:
            continue
        exact = [place for place, column in enumerate(folded) if column == name and place not in taken]
        plain = [_folded(other) for other in others]
        found = exact or sorted(
            (place for place, column in enumerate(folded) if _folded(column) in plain and place not in taken),
            key=lambda place: plain.index(_folded(folded[place])))
        if name in several:
            found = sorted({*found, *(place for place, column in enumerate(folded)
                                      if _folded(column) in plain and place not in taken)})
        if found:
            places[name] = found if name in several else found[:1]
            taken.update(places[name])
    if required not in places and required not in said:
        faults.append(
            f"there is no column {required!r} but {there}: say which one it is with --column {required}=NAME")
    if faults:
        raise SheetError(f"{file} is refused", [f"{file}: {fault}" for fault in faults])
    return Columns(len(names), places, [(name, place) for place, name in enumerate(names) if place not in taken])


def _folded(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace(".", " ").split()).translate(_ACCENTS)


def distinct_names(names: Sequence[str]) -> list[str]:
    """Names for the columns of a file, no two the same to who reads it: a later one gets a number."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        name = clean_text(name, MAX_NAME - 4) or "-"
        distinct, count = name, 1
        while distinct.casefold() in taken:
            count += 1
            distinct = f"{name} {count}"
        taken.add(distinct.casefold())
        found.append(distinct)
    return found
