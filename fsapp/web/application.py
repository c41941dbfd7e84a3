"""The Flask application put together of its routes. A new group of routes is one more in ROUTES, no more."""

from __future__ import annotations

from flask import Blueprint, Flask

from fsapp.web import asking, faults
from fsapp.web.after_call import routes as after_call
from fsapp.web.customers import routes as customers
from fsapp.web.interactions import routes as interactions
from fsapp.web.parts import NAME, Parts
from fsapp.web.popping import routes as popping
from fsapp.web.tickets import routes as tickets
from fsapp.web.timeline import routes as timeline

__all__ = ["ROUTES", "make"]

# each below /api
ROUTES: tuple[Blueprint, ...] = (customers, timeline, interactions, popping, after_call, tickets)


def make(parts: Parts) -> Flask:
    app = Flask("fsapp.web", static_folder=None)
    app.url_map.merge_slashes = False  # an id that is empty is none, and no reason to go elsewhere
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.extensions[NAME] = parts
    asking.guard(app)
    faults.answer_faults(app)
    for routes in ROUTES:
        app.register_blueprint(routes, url_prefix="/api")
    return app
