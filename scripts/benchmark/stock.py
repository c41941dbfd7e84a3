"""Stock greenswitch doing the same visit: connect, one Redis round trip, six variables, transfer, exit. The yardstick.

Run as a process of its own: `stock.py PORT REDIS_URL`. Uses greenswitch as its own README does and mends nothing in it.
"""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402
import uuid  # noqa: E402

import greenswitch  # noqa: E402
import redis  # noqa: E402

_BANDS = {"callback": 350_003_580, "new-customer": 204_003_580, "service": 101_003_540}
_QUEUES = {"callback": "renewals.first-call@fsapp", "new-customer": "web-leads.new@fsapp", "service": "helpdesk@fsapp"}


class Visit:
    client: redis.Redis

    def __init__(self, session: greenswitch.esl.OutboundSession) -> None:
        self.session = session

    def run(self) -> None:
        caller = self.session.session_data["Caller-Caller-ID-Number"]
        called = self.session.session_data["variable_fsapp_called"]
        contact, _right, _sticky = self.client.mget(
            f"stock:{caller}:contact", f"stock:{caller}:right", f"stock:{caller}:sticky",
        )
        call_class = "callback" if contact else "new-customer" if called.endswith("200") else "service"
        self.session.call_command(
            "multiset",
            f"fsapp_class={call_class} fsapp_queue={_QUEUES[call_class]} cc_base_score={_BANDS[call_class]}"
            f" fsapp_decision={uuid.uuid4()} fsapp_reason=benchmark fsapp_tried={_QUEUES[call_class]}",
        )
        self.session.call_command("transfer", "fsapp-queue XML fsapp")


def main() -> None:
    port, url = int(sys.argv[1]), sys.argv[2]
    Visit.client = redis.Redis.from_url(url)
    greenswitch.OutboundESLServer(
        bind_address="127.0.0.1", bind_port=port, application=Visit, max_connections=100_000,
    ).listen()


if __name__ == "__main__":
    main()
