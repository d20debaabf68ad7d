"""The dashboard under a path of a real nginx, which takes the path off or leaves it on."""

import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

import pytest
from playwright.sync_api import expect

pytest_plugins = ("tests.support.browser",)

# One process of the user who runs the tests; everything it writes is in its own folder.
CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location /plain/ {{
            proxy_pass {plain};
        }}
        location /deep/er/ {{
            proxy_pass {strips}/;
        }}
        location /named/ {{
            proxy_pass {plain}/plain/;
            proxy_set_header Host pixels.example.org:443;
        }}
        location /strange/ {{
            proxy_pass {plain}/plain/;
            proxy_set_header Host evil.example;
            proxy_set_header X-Forwarded-Host localhost;
        }}
    }}
}}
"""
PREFIXES = ("/plain/", "/deep/er/")


@pytest.fixture(scope="module")
def proxy(database_file, tmp_path_factory):
    """The address of nginx in front of two dashboards, one under each of the prefixes."""
    from tests.support.browser import serving  # not above: pytest has yet to see the plugin

    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.fail("the tests of the sub-path need nginx: run `sh tests/programs.sh`")
    folder = tmp_path_factory.mktemp("nginx")
    common = ("--database", str(database_file), "--port", "0", "--base-path")
    allowed = ("--allow-host", "pixels.example.org")
    started = [serving(*common, "plain", *allowed), serving(*common, "/deep/er/", "--proxy-strips")]
    with ExitStack() as stack:
        for process in started:
            stack.enter_context(process)
            stack.callback(process.terminate)
        origins = []
        for process in started:
            parts = urlsplit(process.stdout.readline().split()[0])
            origins.append(f"{parts.scheme}://{parts.netloc}")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        config = folder / "nginx.conf"
        config.write_text(CONFIG.format(port=port, plain=origins[0], strips=origins[1]))
        running = subprocess.Popen([nginx, "-p", str(folder), "-c", str(config)], stderr=subprocess.PIPE)
        stack.enter_context(running)
        stack.callback(running.terminate)
        listens(port, running)
        yield f"http://127.0.0.1:{port}"


def listens(port: int, process: subprocess.Popen) -> None:
    """Wait until nginx accepts connections; fail with what it said when it ends instead."""
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                process.terminate()
                pytest.fail(f"nginx did not start: {process.stderr.read().decode()}")
            time.sleep(0.02)


class Unfollowed(HTTPRedirectHandler):
    """Leaves a redirect to be looked at."""

    def redirect_request(self, *_arguments, **_keywords):
        return None


def answer(address):
    """Status and headers of one request, redirects not followed."""
    try:
        response = build_opener(Unfollowed).open(address, timeout=10)
    except HTTPError as error:
        response = error
    with response:
        return response.status, response.headers


@pytest.mark.parametrize("prefix", PREFIXES)
def test_first_answers_keep_their_status_and_redirects_stay_below_the_path(proxy, prefix):
    for path, status in (("", 200), ("healthz", 200), ("case/1", 200), ("case/999", 404), ("nothing", 404)):
        got, headers = answer(f"{proxy}{prefix}{path}")
        assert got == status, path
        assert "script-src 'self' 'sha256-" in headers["Content-Security-Policy"]
    got, headers = answer(proxy + prefix.rstrip("/"))
    assert got in (301, 308)
    assert urlsplit(headers["Location"]).path == prefix


def test_a_proxy_that_hands_the_name_on_is_answered_by_the_allowed_one_alone(proxy):
    assert answer(f"{proxy}/named/")[0] == 200
    assert answer(f"{proxy}/strange/")[0] == 421


@pytest.mark.parametrize("prefix", PREFIXES)
def test_pages_images_callbacks_and_deep_links_work_below_the_path(tab, proxy, prefix):
    page, wrong = tab, []

    def seen(response):
        if not response.url.startswith(proxy + prefix) or response.status >= 400:
            wrong.append(f"{response.status} {response.url}")

    def hear(message):
        if message.type == "error":
            wrong.append(message.text)

    def catch(error):
        wrong.append(str(error))

    page.on("response", seen)
    page.on("console", hear)
    page.on("pageerror", catch)
    page.goto(f"{proxy}{prefix}")
    link = page.locator(f'main a[href^="{prefix}case/"]').first
    expect(link).to_be_visible()
    loaded = 'document.querySelectorAll("main img").length && [...document.querySelectorAll("main img")]'
    page.wait_for_function(f"{loaded}.every((one) => one.complete && one.naturalWidth)")
    link.click(force=True)
    expect(page.locator("h1")).to_contain_text("Case ")
    page.locator(".layer-compared", has_text="dense").click()
    expect(page).to_have_url(re.compile(r"layer=dense"))
    expect(page.locator("#case-layer-title")).to_contain_text("in dense")
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=20_000)
    page.reload()
    expect(page.locator("#case-layer-title")).to_contain_text("in dense")
    page.get_by_role("link", name="Detectors").click()
    expect(page).to_have_url(f"{proxy}{prefix}detectors")
    page.get_by_placeholder("Go to case").fill("7")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{proxy}{prefix}case/7")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Detectors")
    page.get_by_role("link", name="Explainable Pixels").click()
    expect(page.locator(f'main a[href^="{prefix}case/"]').first).to_be_visible()
    page.remove_listener("response", seen)
    page.remove_listener("console", hear)
    page.remove_listener("pageerror", catch)
    assert wrong == []
