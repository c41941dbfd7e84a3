"""The switch's side of many calls: connects to an app as FreeSWITCH's socket application does and takes the time.

Run as a process of its own: a plan (see Plan) as JSON on stdin, a report as JSON on stdout. Imports nothing of fsapp,
for it must be far cheaper than what it measures; it checks every call's outcome, and decides nothing.
"""

from __future__ import annotations

import json
import os
import random
import resource
import select
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from callers import NAMES, CallPlan, calls_of

TEMPLATE = Path(__file__).parents[2] / "tests/data/traces/sip-header-injection.jsonl"
STALLED_S = 20.0
OK = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
BYE = b"Content-Type: command/reply\nReply-Text: +OK bye\n\n"
FAREWELL = b"Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
NOTICE = (
    b"Content-Type: text/disconnect-notice\nControlled-Session-UUID: %b\nContent-Disposition: disconnect\n"
    b"Content-Length: 67\n\n" + FAREWELL
)


@dataclass
class Plan:
    """`rate` 0 is a closed loop of `in_flight` calls at a time; otherwise calls arrive at random, `rate` a second."""

    port: int
    calls: int
    in_flight: int = 64
    rate: float = 0.0
    first: int = 0
    seed: int = 1


@dataclass(slots=True)
class Visit:
    """One connection and what the app has asked for on it so far."""

    sock: socket.socket
    started: float
    call: CallPlan
    block: bytes
    buffer: bytes = b""
    connected: bool = False
    decided: float = 0.0
    good_class: bool = False
    scored: bool = False
    over: bool = False


@dataclass
class Report:
    """Latencies in milliseconds, one a call that ended well; `wrong` maps a fault to how often it was seen."""

    decided_ms: list[float] = field(default_factory=list)
    total_ms: list[float] = field(default_factory=list)
    wrong: dict[str, int] = field(default_factory=dict)
    late_ms: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0
    cpu_s: float = 0.0


def template() -> bytes:
    """A recorded CHANNEL_DATA block of a SIP call with marks for caller, called, name and uuid in place of its own."""
    for line in TEMPLATE.read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        if message["data"].startswith("Event-Name: CHANNEL_DATA"):
            break
    else:
        raise SystemExit(f"{TEMPLATE}: holds no CHANNEL_DATA block")
    data = message["data"]
    hostile = "36%0Avariable_fsapp_class%3A%20callback"
    uuid = next(line.split(": ")[1] for line in data.split("\n") if line.startswith("Unique-ID: "))
    data = data.replace("%2B" + hostile, "%2B@CALLER@").replace(hostile, "@CALLER@").replace(uuid, "@UUID@")
    data = data.replace("Caller-ID-Name: caller", "Caller-ID-Name: @NAME@")
    data = data.replace("Destination-Number: in\n", "Destination-Number: fsapp-visit\n")
    called = "variable_fsapp_called: @CALLED@\nvariable_call_uuid: "
    return data.replace("variable_call_uuid: ", called).encode()


def blocks(calls: list[CallPlan], seed: int) -> list[bytes]:
    """One block a call, made before the clock starts."""
    whole = template()
    draw = random.Random(seed)
    made = []
    for call in calls:
        uuid = f"{draw.getrandbits(32):08x}-{draw.getrandbits(16):04x}-4aab-b5a8-{draw.getrandbits(48):012x}"
        block = whole.replace(b"@CALLER@", call.caller.removeprefix("+").encode())
        block = block.replace(b"@CALLED@", call.called.removeprefix("+").encode())
        made.append(block.replace(b"@NAME@", draw.choice(NAMES)).replace(b"@UUID@", uuid.encode()))
    return made


class Switch:
    """Plays the plan's calls over one epoll; every socket is closed when `run` returns or raises."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.report = Report()
        self.calls = calls_of(plan.first, plan.calls)
        self.blocks = blocks(self.calls, plan.seed)
        self.visits: dict[int, Visit] = {}
        self.next = 0
        self.poll = select.epoll()
        self.address = ("127.0.0.1", plan.port)

    def run(self) -> Report:
        begun, cpu = perf_counter(), os.times()
        try:
            if self.plan.rate:
                self._open_loop(begun)
            else:
                self._closed_loop()
        finally:
            for visit in self.visits.values():
                visit.sock.close()
            self.poll.close()
        self.report.elapsed_s = perf_counter() - begun
        spent = os.times()
        self.report.cpu_s = spent.user + spent.system - cpu.user - cpu.system
        return self.report

    def _closed_loop(self) -> None:
        while self.next < self.plan.calls or self.visits:
            while len(self.visits) < self.plan.in_flight and self.next < self.plan.calls:
                self._start()
            if not self._serve(STALLED_S):
                self._give_up()
                return

    def _open_loop(self, begun: float) -> None:
        draw = random.Random(self.plan.seed)
        due = begun
        progress = begun
        while self.next < self.plan.calls or self.visits:
            now = perf_counter()
            while self.next < self.plan.calls and due <= now:
                self.report.late_ms.append((now - due) * 1000)
                self._start()
                due += draw.expovariate(self.plan.rate)
                now = perf_counter()
            wait = due - now if self.next < self.plan.calls else STALLED_S
            if self._serve(max(0.0, wait)):
                progress = now
            elif now - progress > STALLED_S and self.visits:
                self._give_up()
                return

    def _start(self) -> None:
        call, block = self.calls[self.next], self.blocks[self.next]
        self.next += 1
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = perf_counter()
        sock.connect_ex(self.address)
        self.visits[sock.fileno()] = Visit(sock, started, call, block)
        self.poll.register(sock.fileno(), select.EPOLLIN)

    def _serve(self, timeout_s: float) -> bool:
        """Handle what is there, waiting at most so long for it; False when nothing came."""
        # epoll waits in whole milliseconds, select in microseconds: arrivals keep their time.
        if not select.select([self.poll], [], [], timeout_s)[0]:
            return False
        for descriptor, _events in self.poll.poll(0):
            visit = self.visits[descriptor]
            try:
                self._read(visit)
            except OSError as error:
                self._end(visit, f"socket: {error.strerror}")
        return True

    def _read(self, visit: Visit) -> None:
        data = visit.sock.recv(65536)
        if not data:
            self._end(visit, "the app closed the connection early")
            return
        visit.buffer += data
        while True:
            command, end, rest = visit.buffer.partition(b"\n\n")
            if not end:
                return
            visit.buffer = rest
            self._answer(visit, command)
            if visit.over:
                return

    def _answer(self, visit: Visit, command: bytes) -> None:
        # As the real one: a reply of its own to each command, also when several came in one segment.
        if command == b"exit":
            visit.sock.send(BYE)
            visit.sock.send(NOTICE)
            self._end(visit, _fault(visit))
        elif command == b"connect":
            visit.connected = True
            if visit.sock.send(visit.block) != len(visit.block):
                self._end(visit, "the block did not fit the socket's buffer")
        else:
            if b"execute-app-name: transfer" in command:
                visit.decided = perf_counter()
            elif b"set" in command:
                visit.good_class = visit.good_class or visit.call.expected in command
                visit.scored = visit.scored or b"cc_base_score=" in command
            visit.sock.send(OK)

    def _end(self, visit: Visit, fault: str | None) -> None:
        visit.over = True
        descriptor = visit.sock.fileno()
        self.poll.unregister(descriptor)
        del self.visits[descriptor]
        visit.sock.close()
        if fault is not None:
            self.report.wrong[fault] = self.report.wrong.get(fault, 0) + 1
            return
        self.report.decided_ms.append((visit.decided - visit.started) * 1000)
        self.report.total_ms.append((perf_counter() - visit.started) * 1000)

    def _give_up(self) -> None:
        for visit in list(self.visits.values()):
            self._end(visit, f"nothing came for {STALLED_S:.0f} s")
        unstarted = self.plan.calls - self.next
        if unstarted:
            self.report.wrong["never started"] = unstarted


def _fault(visit: Visit) -> str | None:
    if not visit.connected:
        return "exit before connect"
    if not visit.decided:
        return "no transfer"
    if not visit.scored:
        return "no cc_base_score"
    if not visit.good_class:
        return f"not {visit.call.expected.decode()}"
    return None


def main() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    report = Switch(Plan(**json.load(sys.stdin))).run()
    json.dump(vars(report), sys.stdout)


if __name__ == "__main__":
    main()
