"""`fsapp web` as a process: says where it is, answers, ends at SIGTERM with pages open, refuses a taken address."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import gevent
import urllib3

from fsapp.records.versions import migrate

ROOT = Path(__file__).parents[2]


def start(redis_server: Any, folder: Path, *options: str) -> subprocess.Popen[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
        "FSAPP_REDIS_URL": redis_server.url, "FSAPP_DATABASE_URL": f"sqlite:///{folder}/fsapp.db",
        "FSAPP_SNAPSHOT": str(folder / "snapshot"), "FSAPP_WEB_HTTP": "127.0.0.1:0"}
    return subprocess.Popen([sys.executable, "-m", "fsapp", "web", *options], cwd=ROOT, env=environ, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_it_serves_until_it_is_asked_to_end(redis_server: Any, redis_client: Any, tmp_path: Path) -> None:
    from web_ends import EXAMPLE

    from fsapp.rules import load_folder
    from fsapp.state.rules import RulesStore

    RulesStore(redis_client).load(load_folder(EXAMPLE), note="", author="test", source="test")
    migrate(f"sqlite:///{tmp_path}/fsapp.db")
    adding = start(redis_server, tmp_path, "token", "add", "page", "--json")
    token = json.loads(adding.communicate(timeout=60)[0])["token"]
    web = start(redis_server, tmp_path, "--listen", "127.0.0.1:0", "--json")
    try:
        with gevent.Timeout(60, AssertionError("it does not come up, or does not end")):
            while (line := json.loads(web.stderr.readline()))["event"] != "web_up":
                pass
            headers = {"Authorization": f"Bearer {token}"}
            with urllib3.PoolManager(retries=False) as pool:
                base = f"http://{line['listen']}/api"
                found = pool.request("GET", f"{base}/pop?number=0601234567", headers=headers, timeout=20)
                assert (found.status, json.loads(found.data)["number"]) == (200, "+381601234567")
                page = pool.request("GET", f"{base}/agents/1004/pops", headers=headers, preload_content=False,
                                    timeout=30)
                assert next(page.stream(64)).startswith(b"retry:")
                web.send_signal(signal.SIGTERM)
                assert b"".join(page.stream(64)) == b"", "the page is told that nothing more comes"
            assert web.wait() == 0
            assert token not in web.stderr.read()
    finally:
        web.kill()
        web.communicate()


def test_an_address_that_is_taken_is_one_clear_line(redis_server: Any, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        web = start(redis_server, tmp_path, "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--json")
        _, err = web.communicate(timeout=60)
    assert web.returncode == 1
    assert "is taken by another program" in err.splitlines()[-1] and "FSAPP_WEB_LISTEN" in err.splitlines()[-1]
    wrong = start(redis_server, tmp_path, "--listen", "nowhere")
    assert "HOST:PORT" in wrong.communicate(timeout=60)[1] and wrong.returncode == 2
