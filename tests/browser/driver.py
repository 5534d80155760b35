"""What the tests in a real browser share: Chromium through its driver, and the program's commands.

Python's standard library only; everything on loopback. Asks nothing by itself.
"""

import json
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request

KEYSTEAD = os.environ["KEYSTEAD_BIN"]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
DRIVER = os.environ.get("CHROMEDRIVER", "chromedriver")
PATIENCE = 60


class Browser:
    """One tab, by the WebDriver protocol."""

    def __init__(self, port, profile):
        self.base = f"http://127.0.0.1:{port}"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 f"--user-data-dir={profile}"]
        options = {"browserName": "chrome", "goog:chromeOptions": {"binary": CHROMIUM, "args": flags}}
        made = self.send("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self.base += "/session/" + made["sessionId"]

    def send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"content-type": "application/json"}, method=method)
        with opener.open(request, timeout=PATIENCE) as answer:
            return json.load(answer)["value"]

    def element(self, selector):
        found = self.send("POST", "/element", {"using": "css selector", "value": selector})
        return "/element/" + next(iter(found.values()))

    def type(self, selector, text):
        self.send("POST", self.element(selector) + "/value", {"text": text})

    def click(self, selector):
        self.send("POST", self.element(selector) + "/click", {})

    def shows(self, selector, text):
        """Waits until an element has this text: a click does not wait for the page that it opens."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                if text in self.send("GET", self.element(selector) + "/text"):
                    return True
            except urllib.error.HTTPError:
                pass  # Not there yet, or there no more.
            time.sleep(0.05)
        return False


# No proxy of the environment's stands between loopback and loopback.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def keystead(database, *arguments):
    done = subprocess.run([KEYSTEAD, "--database", database, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def first_line(stream, pattern):
    for line in stream:
        if found := re.search(pattern, line):
            # The rest is read so that nobody waits for a full pipe.
            threading.Thread(target=stream.read, daemon=True).start()
            return found.group(1)
    raise SystemExit(f"it ended without saying {pattern!r}")


def check(what, holds):
    if not holds:
        raise SystemExit(f"not so: {what}")
    print(f"  {what}")
