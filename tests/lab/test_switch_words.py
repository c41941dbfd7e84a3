"""API commands of the lab, word for word what a real FreeSWITCH 1.10.12 answered to the same."""

import json
import wave

import pytest
from lab_ends import client, until
from lab_traces import headers

from fsapp.lab.api import run
from fsapp.lab.callcenter import Agent, Queue, Tier
from fsapp.lab.offering import Reaction

DIALPLAN = """<include>
  <X-PRE-PROCESS cmd="set" data="fsapp_socket=127.0.0.1:8040"/>
  <extension name="q"><condition field="destination_number" expression="^q$">
    <action application="set" data="cc_export_vars=fsapp_class,alert_info,fsapp_none"/>
    <action application="set" data="fsapp_class=callback"/>
    <action application="set" data="alert_info=&lt;http://www.x&gt;;info=alert-callback"/>
    <action application="callcenter" data="a@x"/></condition></extension>
  <extension name="r"><condition field="destination_number" expression="^r$">
    <action application="answer"/><action application="set" data="RECORD_STEREO=true"/>
    <action application="record_session" data="${folder}/by/${uuid}.wav"/>
    <action application="park"/></condition></extension>
  <extension name="early"><condition field="destination_number" expression="^mute$">
    <action application="park"/></condition></extension>
</include>"""
CALL_COLUMNS = (
    "uuid,direction,created,created_epoch,name,state,cid_name,cid_num,ip_addr,dest,presence_id,presence_data,"
    "accountcode,callstate,callee_name,callee_num,callee_direction,call_uuid,hostname,sent_callee_name,sent_callee_num,"
    "b_uuid,b_direction,b_created,b_created_epoch,b_name,b_state,b_cid_name,b_cid_num,b_ip_addr,b_dest,b_presence_id,"
    "b_presence_data,b_accountcode,b_callstate,b_callee_name,b_callee_num,b_callee_direction,b_sent_callee_name,"
    "b_sent_callee_num,call_created_epoch"
)
REGISTRATION_COLUMNS = (
    "reg_user,realm,token,url,expires,network_ip,network_port,network_proto,hostname,metadata"
)


@pytest.fixture
def switch(make_switch, tmp_path):
    queue = Queue("a@x", record_template=str(tmp_path / "${fsapp_class}" / "${uuid}.wav"))
    return make_switch(
        DIALPLAN, [queue], [Agent("1", "[leg_timeout=15]user/1@x")], [Tier("a@x", "1")],
        phone=lambda _agent, _call: Reaction(talk_s=60), variables={"folder": str(tmp_path)})


@pytest.fixture
def talking(switch):
    call = switch.call("+381601112223", "q", name="Mira")
    until(lambda: call.bridged, "they talk")
    return call


@pytest.mark.parametrize(("command", "answer"), [
    ("show channels as json", '{"row_count": 0}\n'), ("show channels", "\n0 total.\n"),
    ("show channels count", "\n0 total.\n"), ("show channels count as json", '{"row_count":0,"rows":[]}'),
    ("show calls as json", '{"row_count": 0}\n'), ("show bridged_calls as json", '{"row_count": 0}\n'),
    ("sofia_contact phones/1@x", "sofia/phones/sip:1@127.0.0.1:{port}"),
    ("sofia_contact */1@x", "sofia/phones/sip:1@127.0.0.1:{port}"),
    ("sofia_contact 1@x", "sofia/phones/sip:1@127.0.0.1:{port}"),
    ("sofia_contact nosuch/1@x", "sofia/phones/sip:1@127.0.0.1:{port}"),
    ("sofia_contact trunks/1@x", "error/user_not_registered"), ("sofia_contact 2@x", "error/user_not_registered"),
    ("sofia_contact", "error/user_not_registered"),
    ("global_getvar fsapp_socket", "127.0.0.1:8040"), ("global_getvar nosuch", "-ERR no reply\n"),
    ("module_exists mod_callcenter", "true"), ("module_exists nosuch", "false"), ("module_exists", "-ERR no reply\n"),
    ("fsctl ready_check", "true"), ("fsctl pause_check", "false"), ("version short", "1.10.12-release\n"),
    ("version", "FreeSWITCH Version 1.10.12-release~64bit ( 64bit)\n"), ("echo", "-ERR no reply\n"),
    ("uuid_dump nosuch", "-ERR No such channel!\n"), ("uuid_dump", "-USAGE: <uuid> [format]\n"),
    ("uuid_exists nosuch", "false"), ("uuid_kill nosuch", "-ERR No such channel!\n"),
    ("uuid_getvar nosuch x", "-ERR No such channel!\n"), ("uuid_getvar", "-USAGE: <uuid> <var>\n"),
    ("uuid_setvar nosuch", "-USAGE: <uuid> <var> [value]\n"),
    ("uuid_record", "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]\n"),
    ("uuid_record nosuch start /x.wav", "-ERR Cannot locate session!\n"),
    ("nosuch foo", "-ERR nosuch Command not found!\n"), ("callcenter_config foo", "-ERR Invalid!\n"),
    ("callcenter_config foo bar", "-ERR no reply\n"), ("callcenter_config queue", "-ERR Invalid!\n"),
    ("callcenter_config agent list nosuch", "+OK\n"), ("callcenter_config agent list 1 2", "-ERR Invalid!\n"),
    ("callcenter_config agent get contact 1", "-ERR Invalid Agent Update KEY!\n"),
    ("callcenter_config agent set status 1 available", "+OK\n"),
    ("callcenter_config agent set ready_time 1 12x", "+OK\n"), ("callcenter_config agent del nosuch", "+OK\n"),
    ("callcenter_config tier set level a@x 1 x", "+OK\n"),
    ("callcenter_config tier set level nosuch 1 2", "-ERR Unknown Error!\n"),
    ("callcenter_config tier set state a@x 1 foo", "-ERR Invalid Tier State!\n"),
    ("callcenter_config tier del nosuch nosuch", "+OK\n"), ("callcenter_config tier reload", "-ERR Invalid!\n"),
])
def test_answers(switch, command, answer):
    port = switch.phones.there()[0].port
    assert run(switch, command) == answer.replace("{port}", str(port))


def test_a_status_in_other_letters_is_accepted_and_serves_nobody(switch):
    run(switch, "callcenter_config agent set status 1 available")
    assert run(switch, "callcenter_config agent get status 1") == "available"
    call = switch.call("+381601112223", "q")
    until(lambda: call.joined_at is not None, "the caller waits")
    switch.callcenter.dispatch()
    assert switch.callcenter.agents["1"].state == "Waiting"


def test_two_legs_that_talk_are_one_call(switch, talking):
    [row] = json.loads(run(switch, "show calls as json"))["rows"]
    assert ",".join(row) == CALL_COLUMNS
    agent = switch.callcenter.agents["1"]
    assert (row["uuid"], row["b_uuid"], row["b_dest"]) == (talking.uuid, agent.uuid, "1")
    assert row["call_created_epoch"].isdecimal()
    shown = {row["uuid"]: row for row in json.loads(run(switch, "show channels as json"))["rows"]}
    assert {row["call_uuid"] for row in shown.values()} == {talking.uuid}
    assert run(switch, "show calls count") == "\n1 total.\n"
    assert len(json.loads(run(switch, "show bridged_calls as json"))["rows"]) == 1


def test_registered_phones(switch):
    said = run(switch, "show registrations").splitlines()
    phone = switch.phones.there()[0]
    assert said[0] == REGISTRATION_COLUMNS
    assert said[1].startswith(f"1,x,{phone.port:016x},{phone.url},")
    assert said[2:] == ["", "1 total."]
    switch.phones.unregister("1")
    assert run(switch, "show registrations as json") == '{"row_count": 0}\n'
    switch.phones.register("7", "y", "browsers")
    assert [phone.url for phone in switch.phones.there()][0].startswith("sofia/browsers/sip:7@127.0.0.1:")


def test_what_cc_export_vars_names_reaches_the_agents_leg(switch, talking, make_socket):
    leg = switch.channels[switch.callcenter.agents["1"].uuid]
    assert [leg.variables.get(name) for name in ("cc_export_vars", "fsapp_class", "alert_info", "fsapp_none")] == [
        "fsapp_class,alert_info,fsapp_none", "callback",
        "<http://www.x>;info=alert-callback", None]
    said = run(switch, f"uuid_dump {leg.uuid}")
    assert "variable_alert_info: %3Chttp%3A//www.x%3E%3Binfo%3Dalert-callback\n" in said
    assert json.loads(run(switch, f"uuid_dump {leg.uuid} json"))["variable_alert_info"] == (
        "<http://www.x>;info=alert-callback")


def test_a_phone_rings_no_longer_than_its_contact_says(make_switch):
    switch = make_switch(
        DIALPLAN, [Queue("a@x")], [Agent("1", "[leg_timeout=2]user/1@x")], [Tier("a@x", "1")],
        phone=lambda _agent, _call: Reaction(after_s=30))
    events = []
    switch.subscribe(events.append)
    switch.call("+381601112223", "q")
    until(lambda: any(event["event"] == "not_answered" for event in events), "the offer is over")
    failed = next(event for event in events if event["event"] == "not_answered")
    offered = next(event for event in events if event["event"] == "offered")
    assert failed["cause"] == "NO_ANSWER"
    assert failed["at"] - offered["at"] < 20


def test_a_queue_records_where_its_template_says(switch, talking, tmp_path, make_socket):
    path = tmp_path / "callback" / f"{talking.uuid}.wav"
    assert talking.get("cc_record_filename") == str(path)
    assert path.exists()
    with client(make_socket(switch).address, "RECORD_STOP") as ours:
        talking.hangup("NORMAL_CLEARING", "caller")
        until(lambda: ours.events(), "the recording has ended")
        said = dict(headers(ours.events()[0]))
    assert (said["Record-File-Path"], said["Unique-ID"], said["variable_fsapp_class"]) == (
        str(path), talking.uuid, "callback")
    assert said["variable_record_seconds"].isdecimal()
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)


def test_a_recording_by_command(switch, talking, tmp_path, make_socket):
    uuid, path = talking.uuid, tmp_path / "new/dir/one.wav"
    with client(make_socket(switch).address, "RECORD_START", "RECORD_STOP") as ours:
        answers = [run(switch, f"uuid_record {uuid} {words}") for words in (
            f"start {path}", f"start {path}", f"mask {path}", "mask /nosuch.wav", f"unmask {path}", f"unmask {path}",
            f"foo {path}", "start", f"stop {path}", f"stop {path}")]
        until(lambda: len(ours.events()) == 2, "both events are there")
        names = [dict(headers(event))["Event-Name"] for event in ours.events()]
    usage = "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]\n"
    done = "+OK Success\n"
    assert answers == [
        done, done, done, "-ERR Cannot mask recording session!\n", done, done, usage, usage, done,
        "-ERR Cannot stop record session!\n"]
    assert names == ["RECORD_START", "RECORD_STOP"]
    assert path.exists()


def test_a_recording_of_the_dialplan(switch, tmp_path):
    call = switch.call("+381601112223", "r")
    path = tmp_path / "by" / f"{call.uuid}.wav"
    until(path.exists, "it is recorded")
    assert run(switch, f"uuid_record {call.uuid} stop all") == "+OK Success\n"
    with wave.open(str(path)) as file:
        assert file.getnchannels() == 2


def test_without_media_nothing_is_recorded(switch, tmp_path):
    call = switch.call("+381601112223", "mute")
    until(lambda: call.get("current_application") == "park", "it is parked")
    assert run(switch, f"uuid_record {call.uuid} start {tmp_path}/x.wav") == "-ERR Cannot record session!\n"
    run(switch, f"uuid_setvar {call.uuid} nothing x")
    call.answer()
    assert run(switch, f"uuid_record {call.uuid} start /dev/null/x.wav") == "-ERR Cannot record session!\n"
