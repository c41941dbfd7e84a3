"""`fsapp serve` awaits the switch's calls and decides them. What is built and how it stops is in fsapp.app.serve."""

from __future__ import annotations

import gc
import resource
from typing import Any

import click

from fsapp.cli.process import process_settings, run_process

__all__ = ["serve"]


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Where the switch connects to (FSAPP_LISTEN, else 127.0.0.1:8040).")
@click.option("--http", metavar="HOST:PORT", help="Where /metrics and /healthz are (FSAPP_HTTP, else 127.0.0.1:8042).")
@click.option("--json", "log_json", is_flag=True, help="Log one JSON object a line.")
@click.pass_obj
def serve(obj: Any, listen: str | None, http: str | None, log_json: bool) -> None:
    """Answer the switch's outbound sockets: decide every call and hand it to its queue.

    SIGTERM and Ctrl-C let running visits finish; waiting callers are in the switch and notice nothing.
    """
    settings = process_settings(obj.settings, log_json, listen=("--listen", listen), http=("--http", http))
    from fsapp.app.serve import Serve

    _allow_many_files()
    run_process(Serve(settings), _settle_memory)


def _allow_many_files() -> None:
    """Each visit is a socket: take as many files as the system lets this process have."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _settle_memory() -> None:
    """Keep the garbage collector off what start-up built: walking it all cost calls tens of milliseconds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
