"""`fsapp link` holds the connection to the switch. What is built and how it stops is in fsapp.app.link."""

from __future__ import annotations

import signal
from typing import Any

import click

from fsapp import log
from fsapp.settings import split_address

__all__ = ["link"]


@click.command()
@click.option("--http", metavar="HOST:PORT",
              help="Where /metrics and /healthz are (FSAPP_LINK_HTTP, else 127.0.0.1:8043).")
@click.option("--json", "log_json", is_flag=True, help="Log one JSON object a line.")
@click.pass_obj
def link(obj: Any, http: str | None, log_json: bool) -> None:
    """Hold the one connection to the switch: know its agents, queues and calls, and keep it as the rules say.

    One for each switch (the setting switch_name); a second one is refused. It waits for a switch or Redis that is away.
    """
    changes: dict[str, Any] = {"log_json": obj.settings.log_json or log_json}
    if http is not None:
        try:
            split_address(http)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--http") from None
        changes["link_http"] = http
    settings = obj.settings.model_copy(update=changes)
    log.configure(settings.log_level, json=settings.log_json, mask_numbers=settings.mask_numbers)
    from gevent import signal_handler

    from fsapp.app.link import LinkProcess

    process = LinkProcess(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal_handler(number, process.stop_soon)
    try:
        process.start()
    except BaseException:
        process.stop()
        raise
    process.run()
