"""What a server refused can be seen in its figures, the hot calls' answers too."""

from __future__ import annotations

import re

import requests

import rainer.testing


def test_the_hot_calls_are_counted_by_status() -> None:
    with rainer.testing.server() as server:
        url = f"{server.url}/diary"
        author = {"X-Rainer-Author": "a test"}
        for expected, answer in [
            (200, requests.post(f"{url}/a/1", b"1", headers=author, timeout=10)),
            (409, requests.post(f"{url}/a/1", b"1", headers=author, timeout=10)),
            (400, requests.post(f"{url}/a/2", b"1", timeout=10)),
            (413, requests.post(f"{url}/a/2", b"x" * 1_000_001, headers=author, timeout=10)),
            (200, requests.get(f"{url}/a", timeout=10)),
            (404, requests.get(f"{url}/b", timeout=10)),
        ]:
            assert answer.status_code == expected
        figures = requests.get(f"{server.url}/-/metrics", timeout=10).text
    found = dict(re.findall(r'rainer_requests_total\{route="(.*?",status="\d+)"\} (\S+)', figures))
    post, get = "POST /{namespace}/{key}/{version}", "GET /{namespace}/{key}"
    for route, status in [(post, 200), (post, 409), (post, 400), (post, 413), (get, 200), (get, 404)]:
        assert found[f'{route}",status="{status}'] == "1.0"
    assert 'rainer_commits_refused_total{why="conflict"} 1.0' in figures
    assert "rainer_revision 1.0" in figures
