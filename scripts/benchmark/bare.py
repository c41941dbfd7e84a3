"""The least an app can do: no Redis, no decision, no parser. Shows how fast the load generator itself is.

Run as a process of its own: `bare.py PORT`. Is no figure of the project, only the ceiling of the others.
"""

from __future__ import annotations

import select
import socket
import sys

_COMMANDS = (
    b"sendmsg\ncall-command: execute\nexecute-app-name: multiset\nexecute-app-arg: cc_base_score=1 %b fsapp_queue=x\n\n"
    b"sendmsg\ncall-command: execute\nexecute-app-name: transfer\nexecute-app-arg: fsapp-queue XML fsapp\n\nexit\n\n"
)
_CLASSES = {
    b"381115550100": b"fsapp_class=callback", b"381115550200": b"fsapp_class=new-customer",
    b"381115550300": b"fsapp_class=service",
}


def main() -> None:
    server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    server.setblocking(False)
    poll = select.epoll()
    poll.register(server.fileno(), select.EPOLLIN)
    peers: dict[int, socket.socket] = {}
    while True:
        for descriptor, _events in poll.poll():
            if descriptor == server.fileno():
                peer, _address = server.accept()
                peers[peer.fileno()] = peer
                poll.register(peer.fileno(), select.EPOLLIN)
                peer.send(b"connect\n\n")
                continue
            data = peers[descriptor].recv(65536)
            if not data:
                poll.unregister(descriptor)
                peers.pop(descriptor).close()
            elif data.startswith(b"Event-Name"):
                at = data.rfind(b"variable_fsapp_called: ") + 23
                peers[descriptor].send(_COMMANDS % _CLASSES[data[at:at + 12]])


if __name__ == "__main__":
    main()
