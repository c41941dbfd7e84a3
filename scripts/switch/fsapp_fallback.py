"""For mod_python3 (`python fsapp_fallback` in the dialplan): a decision when fsapp is not there. Only imports."""

import freeswitch

from fsapp.inswitch import fallback


def handler(session, _args):
    fallback.handle(session, freeswitch)
