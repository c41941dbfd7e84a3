"""Scripts of mod_python3 in the lab: what they are given, what they may do, and what their failing costs.

Every answer here is one that a real FreeSWITCH 1.10.12 gave to the same script.
"""

import pytest
from lab_ends import until
from structlog.testing import capture_logs

from fsapp.lab.api import run

DIALPLAN = """<include>
  <X-PRE-PROCESS cmd="set" data="fsapp_socket=127.0.0.1:8040"/>
  <extension name="end"><condition field="destination_number" expression="^end$">
    <action application="answer"/><action application="set" data="got=there"/><action application="park"/>
  </condition></extension>
  <extension name="there"><condition field="${module_exists(mod_python3)}" expression="^true$"/>
    <condition field="destination_number" expression="^(py-.*)$">
      <action application="python" data="$1"/><action application="set" data="got=on"/>
      <action application="answer"/><action application="park"/>
  </condition></extension>
  <extension name="not"><condition field="destination_number" expression="^py-">
      <action application="set" data="got=nothing"/><action application="answer"/><action application="park"/>
  </condition></extension>
</include>"""


@pytest.fixture
def play(make_switch, tmp_path):
    """Runs the body of a handler for one call; the call when it is where its dialplan leads, and what was said."""

    def run_script(body, name="script_of_test", args="", before=""):
        lines = "\n    ".join(["said = []", *body.splitlines()])
        (tmp_path / f"{name}.py").write_text(
            f"import freeswitch\n{before}\nheard = []\ndef handler(session, args):\n    {lines}\n"
            "    session.setVariable('said', repr(said))\n")
        plan = DIALPLAN.replace('data="$1"', f'data="{name} {args}"')
        switch = make_switch(plan, scripts=tmp_path)
        call = switch.call("+381601112223", "py-x")
        until(lambda: call.get("got") or not call.up, "the dialplan has gone on")
        return call, eval(call.get("said") or "[]")  # noqa: S307 - written by the line above

    return run_script


def test_a_script_gets_the_calls_variables(play):
    call, said = play("""\
for name in ('nonexistent', 'caller_id_number', 'destination_number', 'context', 'Unique-ID', 'hostname'):
    said.append(session.getVariable(name))
said.append(session.get_uuid() == session.getVariable('uuid'))
said += [args, session.ready(), session.answered(), session.bridged(), session.hangupCause(), session.getState()]""",
                      args="one two")
    assert said == [None, "+381601112223", "py-x", "public", None, "lab", True, "one two", True, False, False, "NONE",
                    "CS_EXECUTE"]
    assert call.get("got") == "on"


def test_variables_are_set_and_taken_away(play):
    _, said = play("""\
for value in ('one', '', 'two', None, 'a\\x00b', 'č'):
    session.setVariable('fsapp_x', value)
    said.append(session.getVariable('fsapp_x'))
for value in (5, b'x'):
    try:
        session.setVariable('fsapp_x', value)
    except TypeError as error:
        said.append(str(error))
session.execute('set', 'fsapp_z=${fsapp_x}1')
said += [session.getVariable('fsapp_z'), hasattr(session, 'unsetVariable')]""")
    wrong = "in method 'CoreSession_setVariable', argument 3 of type 'char *'"
    assert said == ["one", None, "two", None, "a", "č", wrong, wrong, "č1", False]


def test_what_ends_a_real_switch_is_an_error_here(play):
    with capture_logs() as logs:
        call, _ = play("session.setVariable('fsapp_x', 'a\\udc80b')")
    assert {"switch_would_die", "script_failed"} <= {log["event"] for log in logs}
    assert call.get("got") == "on"


def test_the_module_freeswitch(play):
    with capture_logs() as logs:
        _, said = play("""\
api = freeswitch.API()
said += [api.execute('global_getvar', 'fsapp_socket'), api.executeString('version short'), api.execute('echo')]
said += [api.execute('nosuch', 'x'), api.executeString('nosuch x')]
said += [freeswitch.getGlobalVariable('fsapp_socket'), freeswitch.getGlobalVariable('nosuch'), freeswitch.running()]
said.append(api.getTime().isdecimal())
freeswitch.consoleLog('warning', 'hello\\n')""")
    assert said == ["127.0.0.1:8040", "1.10.12-release\n", "", "INVALID COMMAND!\n", "INVALID COMMAND!\n",
                    "127.0.0.1:8040", None, True, True]
    assert [(log["log_level"], log["text"]) for log in logs if log["event"] == "script_says"] == [("warning", "hello")]


def test_a_script_may_move_the_call(play):
    call, said = play("""\
said += [session.transfer('end', 'XML', 'public'), session.ready()]
session.execute('set', 'after=1')
said.append(session.getVariable('after'))""")
    assert said == [1, False, "1"]
    assert call.get("got") == "there"


def test_a_script_may_end_the_call(play):
    call, said = play("""\
session.hangup('user_busy')
session.setVariable('a', 'b')
said += [session.ready(), session.getVariable('a'), session.hangupCause()]""")
    assert said == [False, "b", "USER_BUSY"]
    assert (call.hangup_cause, call.get("got")) == ("USER_BUSY", "")


@pytest.mark.parametrize("body", [
    "raise ValueError('as wanted')", "import nothing_of_this_name", "freeswitch.nothing_of_this_name()",
    "raise SystemExit(1)",
])
def test_a_script_that_fails_costs_nothing_but_a_line_in_the_log(play, body):
    with capture_logs() as logs:
        call, _ = play(body)
    assert call.get("got") == "on"
    failed = [log for log in logs if log["event"] == "script_failed"]
    assert len(failed) == ("SystemExit" not in body)


@pytest.mark.parametrize("data", ["no_such_script x", "  "])
def test_a_script_that_is_not_there_likewise(make_switch, tmp_path, data):
    switch = make_switch(DIALPLAN.replace('data="$1"', f'data="{data}"'), scripts=tmp_path)
    call = switch.call("+381601112223", "py-x")
    until(lambda: call.get("got") == "on", "the dialplan has gone on")


def test_a_script_is_loaded_anew_for_every_call(make_switch, tmp_path):
    script = tmp_path / "anew.py"
    switch = make_switch(DIALPLAN.replace('data="$1"', 'data="anew"'), scripts=tmp_path)
    for value in ("first", "and second"):
        script.write_text(f"def handler(session, args):\n    session.setVariable('which', '{value}')\n")
        call = switch.call("+381601112223", "py-x")
        until(lambda call=call: call.get("got") == "on", "the dialplan has gone on")
        assert call.get("which") == value


def test_scripts_of_the_same_name_belong_to_their_switch(make_switch, tmp_path):
    switches = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same_name.py").write_text(
            f"import freeswitch\ndef handler(session, args):\n    session.setVariable('which', '{name}')\n"
            "    session.setVariable('core', freeswitch.getGlobalVariable('core_uuid'))\n")
        switches.append(make_switch(DIALPLAN.replace('data="$1"', 'data="same_name"'), scripts=tmp_path / name))
    for _ in range(2):
        for switch, name in zip(switches, ("one", "two"), strict=True):
            call = switch.call("+381601112223", "py-x")
            until(lambda call=call: call.get("got") == "on", "the dialplan has gone on")
            assert (call.get("which"), call.get("core")) == (name, switch.core_uuid)


def test_a_switch_without_scripts_has_no_mod_python3(make_switch, tmp_path):
    switch = make_switch(DIALPLAN, scripts=tmp_path / "none")
    assert run(switch, "module_exists mod_python3") == "false"
    assert run(switch, "python x") == "-ERR python Command not found!\n"
    call = switch.call("+381601112223", "py-x")
    until(lambda: call.get("got") == "nothing", "the dialplan goes another way")


def test_the_api_command_python(make_switch, tmp_path):
    (tmp_path / "prints.py").write_text(
        "def fsapi(session, stream, env, args):\n    stream.write(repr((session, args, env.getHeader('nosuch'))))\n")
    switch = make_switch(DIALPLAN, scripts=tmp_path)
    assert run(switch, "python prints a b") == "('na', 'a b', None)"
    assert run(switch, "python nosuch a") == "-ERR no reply\n"
    assert run(switch, "module_exists mod_python3") == "true"
