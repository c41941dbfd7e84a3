"""`fsapp recorder` brings the event stream into SQL. What is built and how it stops is in fsapp.app.recorder."""

from __future__ import annotations

import signal
from typing import Any

import click

from fsapp import log
from fsapp.settings import split_address

__all__ = ["recorder"]


@click.command()
@click.option("--http", metavar="HOST:PORT",
              help="Where /metrics and /healthz are (FSAPP_RECORDER_HTTP, else 127.0.0.1:8044).")
@click.option("--json", "log_json", is_flag=True, help="Log one JSON object a line.")
@click.pass_obj
def recorder(obj: Any, http: str | None, log_json: bool) -> None:
    """Bring what happens into the memory, the SQL database: each event of the stream once, whoever is killed when.

    One for all switches; a second one stands by. It waits for a database or Redis that is away. A database with
    nothing in it gets its tables; one of an earlier version is refused until `fsapp records migrate` has run.
    """
    changes: dict[str, Any] = {"log_json": obj.settings.log_json or log_json}
    if http is not None:
        try:
            split_address(http)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--http") from None
        changes["recorder_http"] = http
    settings = obj.settings.model_copy(update=changes)
    log.configure(settings.log_level, json=settings.log_json, mask_numbers=settings.mask_numbers)
    from gevent import signal_handler

    from fsapp.app.recorder import RecorderProcess

    process = RecorderProcess(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal_handler(number, process.stop_soon)
    try:
        process.start()
    except BaseException:
        process.stop()
        raise
    process.run()
