"""`fsapp recorder` brings the event stream into SQL. What is built and how it stops is in fsapp.app.recorder."""

from __future__ import annotations

from typing import Any

import click

from fsapp.cli.process import process_settings, run_process

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
    settings = process_settings(obj.settings, log_json, recorder_http=("--http", http))
    from fsapp.app.recorder import RecorderProcess

    run_process(RecorderProcess(settings))
