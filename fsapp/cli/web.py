"""`fsapp web`: serves the API; makes, lists and removes the tokens for it. What is served is in fsapp.web."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import click

from fsapp import log
from fsapp.cli.memory import open_memory
from fsapp.core.clean import clean_text
from fsapp.errors import FsappError, RecordsError
from fsapp.settings import split_address

__all__ = ["web"]

_MAX_NAME = 60
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(invoke_without_command=True)
@click.option("--listen", metavar="HOST:PORT", help="Where to serve (FSAPP_WEB_LISTEN, else 127.0.0.1:8041).")
@click.option("--http", metavar="HOST:PORT",
              help="Where /metrics and /healthz are (FSAPP_WEB_HTTP, else 127.0.0.1:8045).")
@click.option("--json", "log_json", is_flag=True, help="Log one JSON object a line.")
@click.pass_context
def web(ctx: click.Context, listen: str | None, http: str | None, log_json: bool) -> None:
    """Serve the API over HTTP: customers, timeline, other channels, the pop of a call (docs/api.md).

    Nobody is let in without a token: `fsapp web token add`. Leave it on loopback, and put a server with TLS before it.
    """
    if ctx.invoked_subcommand is not None:
        return
    settings = ctx.obj.settings
    changes: dict[str, Any] = {"log_json": settings.log_json or log_json}
    for option, name, value in (("--listen", "web_listen", listen), ("--http", "web_http", http)):
        if value is not None:
            try:
                split_address(value)
            except ValueError as error:
                raise click.BadParameter(str(error), param_hint=option) from None
            changes[name] = value
    settings = settings.model_copy(update=changes)
    log.configure(settings.log_level, json=settings.log_json, mask_numbers=settings.mask_numbers)
    from gevent import signal_handler

    from fsapp.app.web import WebProcess

    process = WebProcess(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal_handler(number, process.stop_soon)
    process.start()
    process.run()


@web.group()
def token() -> None:
    """Make, list and remove the tokens by which programs are let in."""


@token.command()
@click.argument("name")
@click.option("--may", "may", type=click.Choice(["read", "write", "admin"]), default="read", show_default=True,
              help="What it may: look; change things too; and do what cannot be undone.")
@_json
@click.pass_obj
def add(obj: Any, name: str, may: str, as_json: bool) -> None:
    """Make a token called NAME and print it, once: only its hash is kept."""
    from fsapp.records import tokens

    cleaned = clean_text(name, _MAX_NAME)
    if not cleaned or cleaned != name:
        raise FsappError(f"a token's name is one line of at most {_MAX_NAME} characters")
    made = open_memory(obj).write(
        lambda connection: tokens.add(connection, name, tokens.May(may), at=time.time()))
    click.echo(json.dumps({"name": name, "may": may, "token": made}, ensure_ascii=False) if as_json else made)


@token.command("list")
@_json
@click.pass_obj
def list_(obj: Any, as_json: bool) -> None:
    """The tokens there are: what each may, and since when."""
    from fsapp.records import tokens
    from fsapp.records.shapes import time_shape

    found = open_memory(obj).read(tokens.listed)
    if as_json:
        click.echo(json.dumps({"tokens": [
            {"name": one.name, "may": one.may, "made_at": time_shape(one.made_at)} for one in found]},
            ensure_ascii=False))
        return
    if not found:
        click.echo("there is no token: make one with `fsapp web token add NAME`")
    for one in found:
        click.echo(f"{one.name}  may {one.may}, since {(time_shape(one.made_at) or '')[:16]} UTC")


@token.command()
@click.argument("name")
@_json
@click.pass_obj
def remove(obj: Any, name: str, as_json: bool) -> None:
    """Let the token called NAME in no more; running processes know within two seconds."""
    from fsapp.records import tokens

    if not open_memory(obj).write(lambda connection: tokens.remove(connection, name)):
        raise RecordsError(f"there is no token {name}: see `fsapp web token list`")
    click.echo(json.dumps({"removed": name}, ensure_ascii=False) if as_json else f"the token {name} is removed")
