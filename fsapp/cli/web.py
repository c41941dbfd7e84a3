"""`fsapp web`: serves the API; makes, lists and removes the tokens for it. What is served is in fsapp.web."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from fsapp.cli.memory import open_memory
from fsapp.cli.process import process_settings, run_process
from fsapp.core.clean import clean_text
from fsapp.errors import FsappError, RecordsError

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
    settings = process_settings(
        ctx.obj.settings, log_json, web_listen=("--listen", listen), web_http=("--http", http))
    from fsapp.app.web import WebProcess

    run_process(WebProcess(settings))


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
