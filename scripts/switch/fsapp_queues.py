"""For mod_python3 (python.conf.xml): each queue from the rules. Reloaded at every call: only imports."""

import freeswitch

from fsapp.inswitch import fallback, queues  # noqa: F401  fallback too: the first call need not wait for its import


def xml_fetch(params, _args):
    return queues.fetch(params, freeswitch)
