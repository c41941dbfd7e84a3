"""Holds the dialplan XML against the rules and the settings: every fault at once. Talks to no switch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from fsapp.core.carry import CARRY_CONTEXT, CARRY_EXTENSION
from fsapp.core.flow_leg import ASK_EXTENSION
from fsapp.core.placeholder import PLACE_EXTENSION
from fsapp.core.rules import Rules
from fsapp.core.score import MAX_SCORE
from fsapp.rules.callcenter import CALLCENTER, check_callcenter
from fsapp.rules.spellings import neighbours, spellings
from fsapp.rules.switch_xml import Node, expand, read_file, variables

__all__ = ["CALLCENTER", "Wanted", "check_dialplan"]

VISIT, QUEUE, UNKNOWN, CLOSED, CONTEXT = "fsapp-visit", "fsapp-queue", "fsapp-unknown", "fsapp-closed", "fsapp"
FALLBACK = "fsapp-fallback"
_SCRIPT = "fsapp_fallback"
_NOBODY = "nobody could be called back"
_CALLBACKS = (
    (PLACE_EXTENSION, "answer", _NOBODY), ("fsapp-dial-now", "set", _NOBODY), ("fsapp-dial", "bridge", _NOBODY),
    ("fsapp-reached", "set", _NOBODY),
    (PLACE_EXTENSION, "sched_hangup", "without a link, customers could be called at any hour"),
    ("fsapp-dial", "sched_cancel", "a talk would be cut off when the hours end"),
)
_HAS_PYTHON = "${module_exists(mod_python3)}"
PEERS_CONTEXT, CARRIED_EXTENSION = "fsapp-peers", "fsapp-carried"
_UNSET = re.compile(r"\$\$\{(fsapp_[^{}]*)\}")
_OF_FLOWS = ("${fsapp_block}", "${fsapp_asks}")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the dialplan must fit: the rules, the address `fsapp serve` listens on, how long a visit may take."""

    rules: Rules
    listen: str
    visit_s: float


def check_dialplan(folder: Path, wanted: Wanted, freeswitch: Path | None = None) -> list[str]:
    """One line a fault (file, line, what is wrong, what to do); none if all fits.

    `folder` holds the dialplan's *.xml; `freeswitch` a switch's configuration, whose queues, agents and tiers are
    held against the rules too.
    """
    faults: list[str] = []
    plan = _Plan(folder, faults)
    if freeswitch is not None:
        _read_switch(freeswitch, plan)
    if not plan.files:
        return faults or [f"{folder}: no dialplan here: name the folder that holds fsapp.xml with --dialplan"]
    if not faults:
        _Check(plan, wanted).run()
    if freeswitch is not None:
        check_callcenter(freeswitch, plan.values, wanted.rules, faults)
    return faults


def _read_switch(freeswitch: Path, plan: _Plan) -> None:
    """The variables of the switch's own vars.xml come after the dialplan's, as it includes them first."""
    for path in (freeswitch / "vars.xml", freeswitch / "own/vars.xml"):
        root = read_file(path, plan.faults) if path.exists() else None
        if root is not None:
            plan.set_at |= variables(root, plan.values)


class _Plan:
    """The folder's files: the switch-wide variables, and the extensions by context."""

    def __init__(self, folder: Path, faults: list[str]) -> None:
        self.folder = folder
        self.faults = faults
        self.values: dict[str, str] = {}
        self.set_at: dict[str, Node] = {}
        self.contexts: dict[str, list[Node]] = {}
        self.files: list[tuple[Path, Node]] = []
        for path in sorted(folder.glob("*.xml")):
            root = read_file(path, faults)
            if root is not None:
                self.files.append((path, root))
                self.set_at |= variables(root, self.values)
        for path, root in self.files:
            self._extensions(path, root)

    def _extensions(self, path: Path, root: Node) -> None:
        """Extensions without a context are for the one named as their file."""
        for node in [root, *root.children]:
            if node.tag == "context":
                self.contexts.setdefault(node.get("name"), []).extend(n for n in node.children if n.tag == "extension")
        if root.tag != "context":
            bare = [node for node in root.children if node.tag == "extension"]
            if bare:
                self.contexts.setdefault(path.stem, []).extend(bare)

    def expand(self, text: str) -> str:
        return expand(text, self.values)

    def actions(self, extension: Node) -> list[Node]:
        return list(extension.all("action"))

    def matching(self, context: str, destination: str) -> Iterator[Node]:
        """The extensions whose condition on the destination holds for this one."""
        for extension in self.contexts.get(context, ()):
            for condition in extension.all("condition"):
                if condition.get("field") == "destination_number":
                    try:
                        if re.search(self.expand(condition.get("expression")), destination):
                            yield extension
                    except re.error:
                        continue


class _Check:
    """One pass over a plan that could be read; every method adds lines to the plan's faults."""

    def __init__(self, plan: _Plan, wanted: Wanted) -> None:
        self.plan = plan
        self.wanted = wanted

    def run(self) -> None:
        self._expressions()
        self._unset_variables()
        self._protocol()
        self._switches()
        self._recording()
        self._callbacks()
        self._asked()
        self._transfers()
        self._numbers()
        self._fallback()
        self._decides_inside()
        self._patience()

    def _fault(self, where: Node | Path, message: str) -> None:
        self.plan.faults.append(f"{where.where if isinstance(where, Node) else where}: {message}")

    def _expressions(self) -> None:
        for _, root in self.plan.files:
            for condition in root.all("condition"):
                expression = self.plan.expand(condition.get("expression"))
                try:
                    re.compile(expression)
                except re.error as error:
                    self._fault(condition, f"expression {expression!r} is no regular expression: {error}; mend it")

    def _unset_variables(self) -> None:
        for _, root in self.plan.files:
            for node in chain(root.all("action"), root.all("anti-action"), root.all("condition")):
                for name in _UNSET.findall(" ".join(node.attributes.values())):
                    if name not in self.plan.values:
                        self._fault(node, f"$${{{name}}} is set nowhere: set it in fsapp-vars.xml")

    def _protocol(self) -> None:
        checks = [(VISIT, self._visit), (QUEUE, self._queue), (UNKNOWN, self._unknown)]
        # Without a schedule nothing is ever closed.
        for name, check in (*checks, *([(CLOSED, self._closed)] if self.wanted.rules.schedules else [])):
            found = self._extension(name)
            if found is None:
                self._fault(self.plan.folder, f"no extension {name} in context {CONTEXT}: put fsapp.xml back")
            else:
                check(found, self.plan.actions(found))

    def _extension(self, name: str) -> Node | None:
        """The extension of this name; of a queue the one that leads there, as others come before it."""
        found = list(self.plan.matching(CONTEXT, name))
        leads = [one for one in found if any(a.get("application") == "callcenter" for a in self.plan.actions(one))]
        return next(iter(leads or found), None)

    def _visit(self, extension: Node, actions: list[Node]) -> None:
        place = next((i for i, action in enumerate(actions) if action.get("application") == "socket"), None)
        if place is None:
            self._fault(extension, f"{VISIT} has no socket action: add `socket {self.wanted.listen} async full`")
            return
        address, *modes = self.plan.expand(actions[place].get("data")).split() or [""]
        if address != self.wanted.listen:
            at = self.plan.set_at.get("fsapp_socket", actions[place])
            self._fault(at, f"the socket leads to {address}, fsapp listens on {self.wanted.listen}: make them one")
        if set(modes) != {"async", "full"}:
            self._fault(actions[place], f"the socket is opened {' '.join(modes) or 'plainly'}: write `async full`")
        before = {action.get("data") for action in actions[:place] if action.get("application") == "set"}
        for needed in ("execute_on_blind_transfer=unset socket_resume", "socket_resume=true"):
            if needed not in before:
                self._fault(actions[place], f"a broken connection loses callers: set {needed} before the socket")
        if not any(action.get("application") == "transfer" for action in actions[place + 1:]):
            self._fault(actions[place], "nothing follows the socket: add the transfer to the fallback")

    def _queue(self, extension: Node, actions: list[Node]) -> None:
        steps = [(action.get("application"), action.get("data")) for action in actions]
        if ("callcenter", "${fsapp_queue}") not in steps:
            self._fault(extension, f"{QUEUE} does not run `callcenter ${{fsapp_queue}}`: add it")
            return
        place = steps.index(("callcenter", "${fsapp_queue}"))
        if ("unset", "cc_cause") not in steps[:place]:
            self._fault(actions[place], "the outcome of an earlier queue stays: unset cc_cause before callcenter")
        if not any(application == "transfer" for application, _ in steps[place + 1:]):
            self._fault(actions[place], f"a caller nobody answered is dropped: transfer to {VISIT} after callcenter")

    def _recording(self) -> None:
        """What the rules record, the dialplan must: in an extension that goes on to the queue."""
        rules, before = self.wanted.rules, list(self.plan.matching(CONTEXT, QUEUE))
        places = [place for place in (*rules.stages.values(), *rules.lines.values()) if place.recording]
        announced = [place for place in places if place.recording.announce]
        records = [one for one in before if one.get("continue") == "true"]
        for start, what, among, these in (
            ("execute_on_pre_bridge=record_session ", "recorded", records, places),
            ("fsapp_announced=", "announced", before, announced),
        ):
            data = [action.get("data") for one in among for action in self.plan.actions(one)]
            if these and not any(text.startswith(start) for text in data):
                self._fault(self.plan.folder, f"calls of {these[0].id} are to be {what}, and nothing sets "
                                              f"{start.strip()} before {QUEUE}: put fsapp.xml back")

    def _callbacks(self) -> None:
        """Calls that stand in line for tasks: their far leg's extensions, and what an agent's answer sets off."""
        for name, application, why in _CALLBACKS:
            found = list(self.plan.matching(CONTEXT, name))
            if not any(action.get("application") == application for one in found for action in self.plan.actions(one)):
                self._fault(self.plan.folder, f"no extension {name} with `{application}` in context {CONTEXT}: {why}: "
                                              "put fsapp.xml back")
        before = [one for one in self.plan.matching(CONTEXT, QUEUE) if one.get("continue") == "true"]
        data = [action.get("data") for one in before for action in self.plan.actions(one)]
        if not any(text.endswith("=execute_extension fsapp-dial-now XML fsapp") for text in data):
            self._fault(self.plan.folder, f"nothing before {QUEUE} has the customer of a callback dialled: put "
                                          "fsapp.xml back")

    def _asked(self) -> None:
        """Calls whose customers a flow asks, and what becomes of them where fsapp is away."""
        for name, leads, lost in (
            (ASK_EXTENSION, f"transfer {VISIT} ", "customers called for a survey would hear nothing"),
            (FALLBACK, "hangup ", "customers called for a survey would be led to a queue while fsapp is away"),
        ):
            of_asked = [one for one in self.plan.matching(CONTEXT, name) if any(
                condition.get("field") == "${fsapp_asks}" for condition in one.all("condition"))]
            if not any(f"{action.get('application')} {action.get('data')}".startswith(leads)
                       for one in of_asked for action in self.plan.actions(one)):
                self._fault(self.plan.folder, f"nothing in context {CONTEXT} takes {name} where fsapp_asks is set: "
                                              f"{lost}: put fsapp.xml back")

    def _unknown(self, extension: Node, actions: list[Node]) -> None:
        if not actions or actions[-1].get("application") != "hangup":
            self._fault(extension, f"{UNKNOWN} does not hang up: end it with `hangup UNALLOCATED_NUMBER`")

    def _closed(self, extension: Node, actions: list[Node]) -> None:
        if not actions or actions[-1].get("application") != "hangup":
            self._fault(extension, f"{CLOSED} does not hang up: end it with `hangup SUBSCRIBER_ABSENT`")

    def _switches(self) -> None:
        """What a centre of several switches needs."""
        switches = self.wanted.rules.switches
        if len(switches) < 2:
            return
        for context, name in ((CARRY_CONTEXT, CARRY_EXTENSION), (PEERS_CONTEXT, CARRIED_EXTENSION)):
            if next(self.plan.matching(context, name), None) is None:
                self._fault(self.plan.folder, f"no extension {name} in context {context}: put switches.xml back")
        name = self.plan.values.get("fsapp_switch", "")
        if name not in switches:
            at = self.plan.set_at.get("fsapp_switch", self.plan.folder)
            self._fault(at, f"fsapp_switch is {name!r}: write the name of this switch, one of {', '.join(switches)}")
        queue = self.wanted.rules.queues.get(self.plan.values.get("fsapp_fallback_queue", ""))
        if queue is not None and name in switches and queue.home != name:
            at = self.plan.set_at.get("fsapp_fallback_queue", self.plan.folder)
            self._fault(at, f"the fallback queue {queue.name} is at home on {queue.home}, and without fsapp nothing is "
                        f"carried there: name a queue of switch {name}")
        found = self._inbound()
        if found and all(a.get("data") != "fsapp_switch=$${fsapp_switch}" for a in found[0].all("action")):
            self._fault(found[0], "does not set fsapp_switch=$${fsapp_switch}: its calls would be taken for those of "
                        "switch main")

    def _transfers(self) -> None:
        for _, root in self.plan.files:
            for action in chain(root.all("action"), root.all("anti-action")):
                parts = self.plan.expand(action.get("data")).split()
                if action.get("application") == "sched_transfer":
                    parts = parts[1:]
                elif action.get("application") != "transfer":
                    continue
                if len(parts) != 3 or parts[1] != "XML":
                    self._fault(action, f"{action.get('data')!r} is not EXTENSION XML CONTEXT: write all three")
                elif parts[2] not in self.plan.contexts:
                    self._fault(action, f"leads to context {parts[2]}, which is not in {self.plan.folder}: correct it")
                elif next(self.plan.matching(parts[2], parts[0]), None) is None:
                    self._fault(action, f"leads to {parts[0]}, which context {parts[2]} does not have: correct it")

    def _inbound(self) -> tuple[Node, Node] | None:
        """The extension that hands calls of our numbers to fsapp, and its condition."""
        for context, extensions in self.plan.contexts.items():
            for extension in extensions:
                to_visit = any(
                    action.get("application") == "transfer" and action.get("data").startswith(f"{VISIT} ")
                    for action in extension.all("action"))
                condition = next(
                    (c for c in extension.all("condition") if c.get("field") == "destination_number"), None)
                if context not in (CONTEXT, CARRY_CONTEXT, PEERS_CONTEXT) and to_visit and condition is not None:
                    return extension, condition
        return None

    def _numbers(self) -> None:
        found = self._inbound()
        if found is None:
            self._fault(self.plan.folder, f"no other context than {CONTEXT} leads to {VISIT}: put public.xml back")
            return
        extension, condition = found
        sets = [action.get("data") for action in extension.all("action") if action.get("application") == "set"]
        if "fsapp_called=$1" not in sets:
            self._fault(extension, "does not set fsapp_called=$1: only the digits that matched may be copied")
        try:
            pattern = re.compile(self.plan.expand(condition.get("expression")))
        except re.error:
            return
        rules = self.wanted.rules
        at = self.plan.set_at.get("fsapp_numbers", condition)
        ours = {spelling for number in rules.numbers for spelling in spellings(number, rules.region)}
        for number in rules.numbers:
            missed = [spelling for spelling in spellings(number, rules.region) if not _takes(pattern, spelling)]
            if missed:
                self._fault(at, f"{number} is not matched when written {', '.join(missed)}: widen fsapp_numbers")
        near = dict.fromkeys(n for number in rules.numbers for n in neighbours(number, rules.region) if n not in ours)
        foreign = [number for number in near if pattern.search(number)]
        if foreign:
            shown = ", ".join(ascii(number)[1:-1] for number in foreign[:_SHOWN])
            self._fault(at, f"numbers that are not in the rules are matched, such as {shown}: narrow fsapp_numbers")

    def _fallback(self) -> None:
        at = self.plan.set_at.get("fsapp_fallback_queue", self.plan.folder)
        name = self.plan.values.get("fsapp_fallback_queue", "")
        queue = self.wanted.rules.queues.get(name)
        if queue is None:
            known = ", ".join(q.name for q in self.wanted.rules.queues.values() if q.wait_s is None)
            self._fault(at, f"the fallback queue {name!r} is not in the rules: write one of {known}")
        elif queue.wait_s is not None:
            self._fault(at, f"callers leave the fallback queue {name} after {queue.wait_s} s: name the queue of a line")
        elif not any(queue.staff.values()):
            self._fault(at, f"nobody answers the fallback queue {name}: name one with agents")
        score = self.plan.values.get("fsapp_fallback_score", "")
        if not re.fullmatch("[0-9]{1,10}", score) or int(score) > MAX_SCORE:
            at = self.plan.set_at.get("fsapp_fallback_score", self.plan.folder)
            self._fault(at, f"fsapp_fallback_score is {score!r}: write a whole number up to {MAX_SCORE}")

    def _decides_inside(self) -> None:
        """The script inside the switch comes before what the dialplan decides alone, and only where there is Python."""
        # A caller in a flow is given back to it first, and who was called for one is no caller.
        found = [one for one in self.plan.matching(CONTEXT, FALLBACK)
                 if all(condition.get("field") not in _OF_FLOWS for condition in one.all("condition"))]
        if not found:
            return  # a transfer that leads to nowhere, and said
        first = found[0]
        if ("python", _SCRIPT) not in [(a.get("application"), a.get("data")) for a in self.plan.actions(first)]:
            self._fault(first, f"{FALLBACK} does not begin with `python {_SCRIPT}`: put it first")
        elif first.get("continue") != "true":
            self._fault(first, f"nothing follows `python {_SCRIPT}` where it does not decide: write continue=\"true\"")
        elif (_HAS_PYTHON, "^true$") not in [(c.get("field"), c.get("expression")) for c in first.all("condition")]:
            self._fault(first, f"a switch without Python hangs up there: add the condition {_HAS_PYTHON}")

    def _patience(self) -> None:
        at = self.plan.set_at.get("fsapp_patience", self.plan.folder)
        seconds = self.plan.values.get("fsapp_patience", "")
        if not re.fullmatch("[0-9]{1,5}", seconds) or int(seconds) <= self.wanted.visit_s:
            least = f"{self.wanted.visit_s:g}"
            self._fault(at, f"fsapp_patience is {seconds!r}: write whole seconds, more than visit_s, which is {least}")


def _takes(pattern: re.Pattern[str], spelling: str) -> bool:
    """Whether the condition holds and gives $1 the whole of it."""
    match = pattern.search(spelling)
    return match is not None and pattern.groups > 0 and match[1] == spelling
