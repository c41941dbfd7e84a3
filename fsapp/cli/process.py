"""What the commands that run until they are told to stop share: their settings, and being told. Builds no process."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, Protocol

import click
from gevent import get_hub

from fsapp import log
from fsapp.settings import Settings, split_address

__all__ = ["process_settings", "run_process"]


class Process(Protocol):
    """A process of `fsapp.app`: `run` returns some time after `stop_soon`."""

    def start(self) -> None: ...
    def run(self) -> None: ...
    def stop(self) -> None: ...
    def stop_soon(self) -> None: ...


def process_settings(
    settings: Settings, log_json: bool, **addresses: tuple[str, str | None],
) -> Settings:
    """The settings with what the command line says, and the log set up by them.

    `addresses`: by the setting's name, the option and its HOST:PORT or None. click.BadParameter for one that is none.
    """
    changes: dict[str, Any] = {"log_json": settings.log_json or log_json}
    for name, (option, value) in addresses.items():
        if value is not None:
            try:
                split_address(value)
            except ValueError as error:
                raise click.BadParameter(str(error), param_hint=option) from None
            changes[name] = value
    settings = settings.model_copy(update=changes)
    log.configure(settings.log_level, json=settings.log_json, mask_numbers=settings.mask_numbers)
    if settings.mask_numbers:
        get_hub().exception_stream = log.Hidden()  # what gevent says of greenlets goes past the log
    return settings


def run_process(process: Process, started: Callable[[], None] = lambda: None) -> None:
    """Run it until SIGTERM or Ctrl-C; `started` is called once it has started. One that cannot start is stopped."""
    from gevent import signal_handler

    for number in (signal.SIGTERM, signal.SIGINT):
        signal_handler(number, process.stop_soon)
    try:
        process.start()
        started()
    except BaseException:
        process.stop()
        raise
    process.run()
