"""What is said of numbers: the plural tables by hand and against babel's CLDR, and whole sentences in each language."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from babel import Locale

from fsapp.core.speech import (
    LANGUAGES,
    plural,
    say_digits,
    say_minutes,
    say_number,
    say_position,
    say_press,
    say_wait,
    spoken,
)

ROOT = Path(__file__).parents[2]
TEXTS = tomllib.loads((ROOT / "sounds/catalogue.toml").read_text(encoding="utf-8"))["prompt"]


def words(prompts: list[str], lang: str) -> str:
    return " ".join(TEXTS[prompt][lang] for prompt in prompts)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_plural_is_that_of_cldr(lang: str) -> None:
    rule = Locale.parse(lang).plural_form
    wrong = [n for n in range(2000) if plural(n, lang) != rule(n)]
    assert not wrong


# Each line: the minutes, and how a speaker of sr, sl, hu, pl, en says them.
MINUTES = [
    (0, "nula minuta", "nič minut", "nulla perc", "zero minut", "zero minutes"),
    (1, "jedan minut", "ena minuta", "egy perc", "jedna minuta", "one minute"),
    (2, "dva minuta", "dve minuti", "két perc", "dwie minuty", "two minutes"),
    (3, "tri minuta", "tri minute", "három perc", "trzy minuty", "three minutes"),
    (4, "četiri minuta", "štiri minute", "négy perc", "cztery minuty", "four minutes"),
    (5, "pet minuta", "pet minut", "öt perc", "pięć minut", "five minutes"),
    (11, "jedanaest minuta", "enajst minut", "tizenegy perc", "jedenaście minut", "eleven minutes"),
    (12, "dvanaest minuta", "dvanajst minut", "tizenkét perc", "dwanaście minut", "twelve minutes"),
    (13, "trinaest minuta", "trinajst minut", "tizenhárom perc", "trzynaście minut", "thirteen minutes"),
    (14, "četrnaest minuta", "štirinajst minut", "tizennégy perc", "czternaście minut", "fourteen minutes"),
    (21, "dvadeset jedan minut", "enaindvajset minut", "huszonegy perc", "dwadzieścia jeden minut",
     "twenty-one minutes"),
    (22, "dvadeset dva minuta", "dvaindvajset minut", "huszonkét perc", "dwadzieścia dwie minuty",
     "twenty-two minutes"),
    (25, "dvadeset pet minuta", "petindvajset minut", "huszonöt perc", "dwadzieścia pięć minut",
     "twenty-five minutes"),
    (31, "trideset jedan minut", "ena in trideset minut", "harminc egy perc", "trzydzieści jeden minut",
     "thirty one minutes"),
    (40, "četrdeset minuta", "štirideset minut", "negyven perc", "czterdzieści minut", "forty minutes"),
    (52, "pedeset dva minuta", "dva in petdeset minut", "ötven két perc", "pięćdziesiąt dwie minuty",
     "fifty two minutes"),
    (60, "jedan sat", "ena ura", "egy óra", "jedna godzina", "one hour"),
    (61, "jedan sat jedan minut", "ena ura ena minuta", "egy óra egy perc", "jedna godzina jedna minuta",
     "one hour one minute"),
    (122, "dva sata dva minuta", "dve uri dve minuti", "két óra két perc", "dwie godziny dwie minuty",
     "two hours two minutes"),
    (180, "tri sata", "tri ure", "három óra", "trzy godziny", "three hours"),
    (330, "pet sati trideset minuta", "pet ur trideset minut", "öt óra harminc perc",
     "pięć godzin trzydzieści minut", "five hours thirty minutes"),
    (1260, "dvadeset jedan sat", "enaindvajset ur", "huszonegy óra", "dwadzieścia jeden godzin", "twenty-one hours"),
    (6060, "sto jedan sat", "sto ena ura", "száz egy óra", "sto jeden godzin", "one hundred and one hours"),
    (6120, "sto dva sata", "sto dve uri", "száz két óra", "sto dwie godziny", "one hundred and two hours"),
    (6180, "sto tri sata", "sto tri ure", "száz három óra", "sto trzy godziny", "one hundred and three hours"),
    (6300, "sto pet sati", "sto pet ur", "száz öt óra", "sto pięć godzin", "one hundred and five hours"),
    (6720, "sto dvanaest sati", "sto dvanajst ur", "száz tizenkét óra", "sto dwanaście godzin",
     "one hundred and twelve hours"),
]


@pytest.mark.parametrize("row", MINUTES, ids=lambda row: str(row[0]))
def test_minutes(row: tuple[int, str, str, str, str, str]) -> None:
    assert tuple(words(say_minutes(row[0], lang), lang) for lang in LANGUAGES) == row[1:]


@pytest.mark.parametrize(("n", "lang", "said"), [
    (2, "hu", "kettő"), (2, "pl", "dwa"), (2, "sl", "dva"), (1, "pl", "jeden"), (22, "hu", "huszonkettő"),
    (100, "en", "one hundred"), (100, "sl", "sto"), (121, "en", "one hundred and twenty-one"),
    (32, "hu", "harminc kettő"), (99, "sl", "devet in devetdeset"), (92, "pl", "dziewięćdziesiąt dwa"),
    (130, "sr", "sto trideset"), (202, "sr", "dvesta dva"), (999, "pl", "dziewięćset dziewięćdziesiąt dziewięć"),
    (1002, "en", "one zero zero two"),
])
def test_number_as_in_counting(n: int, lang: str, said: str) -> None:
    assert words(say_number(n, lang), lang) == said


def test_position() -> None:
    assert say_position(1, "sr") == ["position-next"]
    assert words(say_position(2, "sr"), "sr") == "Vaš broj u redu čekanja je dva"
    assert words(say_position(22, "hu"), "hu") == "Az ön sorszáma a várakozók között: huszonkettő"
    with pytest.raises(ValueError, match="no place"):
        say_position(0, "sr")


def test_wait() -> None:
    assert say_wait(0, 0, "en") == ["wait-under-minute"]
    assert words(say_wait(2, 2, "sl"), "sl") == "Predvideni čas čakanja je dve minuti"
    assert words(say_wait(0, 1, "pl"), "pl") == "Przewidywany czas oczekiwania to co najwyżej jedna minuta"
    assert words(say_wait(3, 5, "sr"), "sr") == (
        "Predviđeno vreme čekanja je najmanje tri minuta a najviše pet minuta")
    for least, most in ((-1, 2), (3, 2)):
        with pytest.raises(ValueError, match="no wait"):
            say_wait(least, most, "sr")


def test_digits_say_nothing_else() -> None:
    assert words(say_digits("+381 11/5", "sr"), "sr") == "plus tri osam jedan jedan jedan pet"
    assert say_digits("*1#", "en") == ["star", "number-1", "hash"]
    assert say_digits("../٣²x", "en") == []


def test_press() -> None:
    assert [words(say_press("3", lang), lang) for lang in LANGUAGES] == [
        "pritisnite tri", "pritisnite številko tri", "nyomja meg a hármas gombot", "proszę nacisnąć trzy",
        "press three"]
    assert say_press("#", "sr") == ["press-hash"]
    for key in ("", "12", "+", "a", "²"):
        with pytest.raises(ValueError, match="no key"):
            say_press(key, "sr")


def test_below_nought_is_refused() -> None:
    for say in (say_number, say_minutes):
        with pytest.raises(ValueError, match="below 0"):
            say(-1, "sr")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_whatever_is_said_is_in_the_catalogue(lang: str) -> None:
    said = set()
    for n in range(1100):
        said |= {*say_number(n, lang), *say_minutes(n, lang), *say_position(n + 1, lang), *say_wait(n, n + 1, lang)}
    for hours in range(1000):
        said |= {*say_minutes(60 * hours, lang)}
    for key in "0123456789*#":
        said |= {*say_press(key, lang), *say_digits(key, lang)}
    assert said <= spoken()
    assert all(TEXTS[prompt][lang] for prompt in spoken())


def test_another_language_counts_as_english_does() -> None:
    assert say_minutes(1, "de") == ["count-1", "minutes-one"]
    assert say_number(121, "de") == say_number(121, "en")
