"""Whatever goes in, the wire holds one command with the lines it should have, and nothing for the switch to expand."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsapp.errors import UnsafeArgument
from fsapp.telephony import command

HOSTILE = [
    "Eve\n\napi echo X", "Eve\r\n\r\nexit", "a\x00b", "a\x85b", "a\u2028b", "a\u2029b", "\x0b\x0c\x1c",
    "${system(id)}", "$${password}", "$\\{x}", "\\", "\\\\'", "'", '"', "`id`", "a|b", "a=b", "a,b;c", "^^:x=1:y=2",
    "%0Aapi%20echo", "100%",
    "{x=1}[y=2]<z=3>", "\u202egnp.exe", "Čeda Ćirić", "O'Brien", " x ", "", "|;~!#&*?/,:", "x" * 4096,
    "\ud800", "_undef_",
]
text = st.one_of(
    st.text(max_size=40), st.sampled_from(HOSTILE), st.text(alphabet="${}|;~!#&*?/,:'\"\\^%=0Aa\n\r ", max_size=20))
name = st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True)


def parts(wire: bytes) -> list[str]:
    """The lines of one command; fails if it is more than one."""
    assert wire.endswith(b"\n\n")
    assert b"\n\n" not in wire[:-2]
    decoded = wire.decode()
    lines = decoded[:-2].split("\n")
    # Not even to a reader that splits at every line end Unicode knows.
    assert decoded.splitlines() == [*lines, ""]
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in decoded.replace("\n", ""))
    assert "${" not in decoded
    return lines


def taken_apart(argument: str) -> dict[str, str]:
    """A multiset argument as the switch splits it: quotes hide delimiters, a backslash the next character."""
    delimiter, rest = (argument[2], argument[3:]) if argument.startswith("^^") else (" ", argument)
    assert delimiter.isascii()
    assert delimiter.isprintable()
    assert not any(char in rest for char in "'\"\\$`")
    return dict(pair.split("=", 1) for pair in rest.split(delimiter))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(name, text, min_size=1, max_size=8))
def test_multiset_sets_what_was_asked_and_nothing_else(variables: dict[str, str]) -> None:
    lines = parts(command.multiset(variables))
    assert lines[:3] == ["sendmsg", "call-command: execute", "execute-app-name: multiset"]
    assert len(lines) == 4
    got = taken_apart(lines[3].removeprefix("execute-app-arg: "))
    assert list(got) == list(variables)
    for key, sent in variables.items():
        wanted = command.value(sent)
        assert got[key] in (wanted, wanted.replace("|", " "))


@pytest.mark.parametrize("sent", HOSTILE)
def test_each_hostile_value_stays_in_its_variable(sent: str) -> None:
    for wire in (command.multiset({"a": "1", "b": sent, "c": "it's"}), command.set_profile_var("caller_id_name", sent)):
        assert len(parts(wire)) == 4
    assert list(taken_apart(parts(command.multiset({"a": "1", "b": sent, "c": "it's"}))[3][17:])) == ["a", "b", "c"]


def test_values_that_are_harmless_stay_as_they_are() -> None:
    values = {"fsapp_queue": "renewals.first-call@fsapp", "cc_base_score": "305003580", "fsapp_tried": "a@b,c@d",
              "fsapp_reason": "Čeda žena 100%", "fsapp_agent": ""}
    assert taken_apart(parts(command.multiset(values))[3].removeprefix("execute-app-arg: ")) == values
    plain = {name: text for name, text in values.items() if name != "fsapp_reason"}
    assert b"multiset\nexecute-app-arg: fsapp_queue=renewals.first-call@fsapp cc_base" in command.multiset(plain)
    assert command.value("O'Brien") == "O\u2019Brien"
    assert "%0" not in command.value("Eve%0Aapi")


def test_no_delimiter_is_taken_from_a_value() -> None:
    wire = command.multiset({"a": "x|y", "b": "x;y"})
    assert taken_apart(parts(wire)[3].removeprefix("execute-app-arg: ")) == {"a": "x|y", "b": "x;y"}
    wire = command.multiset({"a": "|;~!#&*?/,:"})
    assert taken_apart(parts(wire)[3].removeprefix("execute-app-arg: ")) == {"a": " ;~!#&*?/,:"}


@settings(max_examples=300, deadline=None)
@given(text)
def test_what_names_something_is_itself_or_refused(given_text: str) -> None:
    makers = [
        lambda: command.execute(given_text), lambda: command.execute("set", given_text),
        lambda: command.execute("set", "a=b", event_uuid=given_text), lambda: command.transfer(given_text, "fsapp"),
        lambda: command.transfer("fsapp-queue", given_text), lambda: command.hangup(given_text),
        lambda: command.multiset({given_text: "1"}), lambda: command.set_profile_var(given_text, "1"),
        lambda: command.api(given_text), lambda: command.bgapi(given_text, "7"),
        lambda: command.bgapi("status", given_text),
        lambda: command.auth(given_text), lambda: command.subscribe(given_text), lambda: command.line(given_text),
    ]
    for make in makers:
        try:
            wire = make()
        except UnsafeArgument as fault:
            assert len(str(fault).splitlines()) == 1
            continue
        if make is makers[11]:
            wire = wire.replace(b"${", b"")  # a password is not expanded
        assert len(parts(wire)) <= 5


@pytest.mark.parametrize("argument", [
    "a=Eve\n\napi echo X", "a\rb", "a\x00", "a\u2028b", "a\x85b", "a=${system(id)}", "$${x}",
])
def test_an_argument_that_would_be_more_is_refused(argument: str) -> None:
    with pytest.raises(UnsafeArgument, match="leave it out"):
        command.execute("set", argument)
    with pytest.raises(UnsafeArgument, match="leave it out"):
        command.api(argument)


def test_the_commands_are_those_of_the_recorded_visits() -> None:
    assert command.transfer("queue", "public") == (
        b"sendmsg\ncall-command: execute\nexecute-app-name: transfer\nexecute-app-arg: queue XML public\n\n")
    assert command.execute("answer", event_uuid="11111111-aaaa-1") == (
        b"sendmsg\ncall-command: execute\nexecute-app-name: answer\nEvent-UUID: 11111111-aaaa-1\n\n")
    digits = r"1 4 1 800 # tone_stream://%(300,100,440);loops=1 fsapp_order \d+"
    assert command.execute("play_and_get_digits", digits, lock=True) == (
        b"sendmsg\ncall-command: execute\nexecute-app-name: play_and_get_digits\n"
        b"execute-app-arg: 1 4 1 800 # tone_stream://%(300,100,440);loops=1 fsapp_order \\d+\nevent-lock: true\n\n")
    assert command.hangup() == (
        b"sendmsg\ncall-command: execute\nexecute-app-name: hangup\nexecute-app-arg: NORMAL_CLEARING\n\n")
    assert command.linger(5) == b"linger 5\n\n"
    assert command.bgapi("originate null/x &park()", "7") == b"bgapi originate null/x &park()\nJob-UUID: 7\n\n"
    assert command.subscribe("CHANNEL_ANSWER", "callcenter::info", "BACKGROUND_JOB") == (
        b"event plain CHANNEL_ANSWER BACKGROUND_JOB CUSTOM callcenter::info\n\n")


def test_limits() -> None:
    assert len(command.value("x" * 5000)) == command.MAX_VALUE
    with pytest.raises(UnsafeArgument, match="longer"):
        command.execute("set", "x" * (command.MAX_ARGUMENT + 1))
    with pytest.raises(UnsafeArgument, match="251 variables"):
        command.multiset({f"v{n}": "" for n in range(251)})
    for make in (lambda: command.multiset({}), command.subscribe, lambda: command.api(" "), lambda: command.auth("")):
        with pytest.raises(UnsafeArgument):
            make()


def test_a_fault_never_shows_the_password() -> None:
    with pytest.raises(UnsafeArgument) as caught:
        command.auth("sec\nret")
    assert "sec" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("sent", [
    *HOSTILE, "[leg_timeout=15]user/1001@fsapp", "Available (On Demand)", "a b  c", "{a=b,c=d}x",
])
def test_a_word_for_mod_callcenter_comes_out_as_it_went_in_or_is_refused(sent: str) -> None:
    try:
        said = command.callcenter("agent", "set", "contact", "1001", sent)
    except UnsafeArgument:
        assert not 0 < len(sent) <= 1000 or "${" in sent or set(sent) & set("'\\`\n\r\x00\x85\u2028\u2029\x0b\ud800")
    else:
        assert parts(command.api(said)) == [f"api {said}"]
        # As switch_separate_string takes it apart: at spaces, with single quotes and backslashes.
        assert shlex.split(said.replace('"', "\0")) == [
            "callcenter_config", "agent", "set", "contact", "1001", sent.replace('"', "\0")]


def test_a_call_is_moved_from_outside_to_an_extension_only() -> None:
    assert command.uuid_transfer("a-1", "fsapp-return", "fsapp") == "uuid_transfer a-1 fsapp-return XML fsapp"
    for call, extension, context in (("a b", "x", "y"), ("a", "x y", "z"), ("a", "x", "y\nz"), ("", "x", "y")):
        with pytest.raises(UnsafeArgument):
            command.uuid_transfer(call, extension, context)


@pytest.mark.parametrize("user", ["1001@fsapp x", "1001\napi x", "", "*/x", "${x}", "1001' 'x"])
def test_the_switch_is_asked_for_one_user_only(user: str) -> None:
    assert command.sofia_contact("1001@fsapp") == "sofia_contact */1001@fsapp"
    assert command.user_data("1001@fsapp", "dial-string") == "user_data 1001@fsapp param dial-string"
    for ask in (command.sofia_contact, lambda name: command.user_data(name, "dial-string")):
        with pytest.raises(UnsafeArgument):
            ask(user)
