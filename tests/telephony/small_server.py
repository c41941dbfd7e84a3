"""A visit server in a process of its own, with as many file descriptors as its first argument says. Tests nothing.

Prints its port, then serves until its input ends. A caller number ending in 9 stays until the caller hangs up.
"""

from gevent import monkey

monkey.patch_all()

import resource  # noqa: E402
import select  # noqa: E402
import sys  # noqa: E402

from fsapp import log  # noqa: E402
from fsapp.spawn import spawn  # noqa: E402
from fsapp.telephony import command  # noqa: E402
from fsapp.telephony.server import Server  # noqa: E402
from fsapp.telephony.session import Session  # noqa: E402


def visit(session: Session) -> None:
    if (session.connect().get("Caller-Caller-ID-Number") or "").endswith("9"):
        session.send("status")  # which the caller of the test never answers
    session.leave(command.transfer("fsapp-queue", "fsapp"))


def main() -> None:
    files = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    log.configure()
    server = Server(("127.0.0.1", 0), visit, max_visits=5000, first_word_s=60, visit_s=60, max_silent=5000)
    server.start()
    print(server.address[1], flush=True)
    serving = spawn(server.serve_forever, name="server")
    select.select([sys.stdin], [], [])  # reading would stop the loop
    server.stop(drain=False)
    serving.join(10)


main()
