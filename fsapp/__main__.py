"""Patches the standard library for gevent before anything else is imported, then hands over to the CLI."""

import signal

_interrupt = signal.getsignal(signal.SIGINT)
if _interrupt is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules are imported ends the process without a word

from gevent import monkey  # noqa: E402

monkey.patch_all()

from fsapp.cli.root import main  # noqa: E402

if _interrupt is signal.default_int_handler:
    signal.signal(signal.SIGINT, _interrupt)

if __name__ == "__main__":
    main()
