"""For mod_python3 (`python fsapp_probe` on the event socket): what is found of fsapp here. Only imports."""

import freeswitch

from fsapp.inswitch import probe


def fsapi(_session, stream, _env, _args):
    stream.write(probe.report(freeswitch))
