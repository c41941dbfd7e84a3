"""`fsapp link` holds the connection to the switch. What is built and how it stops is in fsapp.app.link."""

from __future__ import annotations

from typing import Any

import click

from fsapp.cli.process import process_settings, run_process

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
    settings = process_settings(obj.settings, log_json, link_http=("--http", http))
    from fsapp.app.link import LinkProcess

    run_process(LinkProcess(settings))
