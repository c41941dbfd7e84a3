"""Patches the standard library for gevent before anything else is imported, then hands over to the CLI."""

from gevent import monkey

monkey.patch_all()

from fsapp.cli.root import main  # noqa: E402

if __name__ == "__main__":
    main()
