"""The commands as processes: they say where their pages are, answer there, and end by an interruption."""

import http.client
import re
import signal
import subprocess
import sys

import pytest
from run_folders import make_run


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_server_says_its_address_and_ends_when_it_is_told(tmp_path, host):
    make_run(tmp_path / "runs" / "one", "10")
    words = [sys.executable, "-m", "evalharness", "view", "--port", "0", "--host", host]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        port, token = re.search(r":(\d+)/(\S*)", said).groups()
        assert bool(token) == (host != "127.0.0.1")
        for headers, status in (({}, 401 if token else 200), ({"host": "evil.example"}, 421)):
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
            connection.request("GET", "/", headers=headers)
            reply = connection.getresponse()
            assert reply.status == status and reply.getheader("server") is None
            connection.close()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0 and "Traceback" not in err and err.strip() == "", err
    assert (tmp_path / "runs" / ".cache" / "view").exists() is False, "no index before a run is looked at"
