"""Code inside the switch uses the state without gevent and without pydantic: only `batch` may need the first."""

import subprocess
import sys
from pathlib import Path

import fsapp.state

MODULES = sorted(path.stem for path in Path(fsapp.state.__file__).parent.glob("*.py") if path.stem != "__init__")


def test_only_batch_needs_gevent():
    assert "batch" in MODULES
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module('fsapp.state.' + name)\n"
        "    if {'gevent', 'pydantic'} & sys.modules.keys(): print(name); break\n"
    )
    wanted = [name for name in MODULES if name != "batch"] + ["batch"]
    done = subprocess.run(
        [sys.executable, "-c", program, *wanted], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["batch"]
