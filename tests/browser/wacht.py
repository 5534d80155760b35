"""Wacht's calls from a page, in a real browser: the page of a listed origin signs a customer up with the cookie and sees
the sign-in; the page of another one cannot.

Starts $KEYSTEAD_BIN with a database of its own, two web servers with an empty page each, and Chromium through its driver.
Python's standard library only; everything on loopback. Usage: wacht.py
"""

import http.server
import json
import os
import subprocess
import tempfile
import threading

from driver import DRIVER, KEYSTEAD, PATIENCE, Browser, check, first_line, keystead

CALL = """
const [url, fields] = arguments;
const request = { credentials: 'include' };
if (fields) Object.assign(request, { method: 'POST', body: new URLSearchParams(fields) });
return fetch(url, request).then(answer => answer.json(), error => String(error));
"""


class Page(http.server.BaseHTTPRequestHandler):
    """An empty page at every path."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>shop</title>")

    def log_message(self, *_):
        pass


def web_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


def main():
    folder = tempfile.TemporaryDirectory()
    database = os.path.join(folder.name, "k.db")
    (shop, listed), (evil, other) = web_server(), web_server()
    keystead(database, "app", "create", "demo")
    keystead(database, "app", "set", "demo", "wachtDefault", "1")
    keystead(database, "app", "set", "demo", "wachtOrigins", listed)
    server = subprocess.Popen([KEYSTEAD, "serve", "--database", database, "--listen", "127.0.0.1:0"],
                              stderr=subprocess.PIPE, text=True)
    driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        url = first_line(server.stderr, r"listening on (http://\S+)")
        browser = Browser(first_line(driver.stdout, r"started successfully on port (\d+)"),
                          os.path.join(folder.name, "profile"))

        def call(path, fields=None):
            return browser.send("POST", "/execute/sync", {"script": CALL, "args": [url + path, fields]})

        def names():
            return [s["user"]["username"] for s in call("/session")["data"]["signins"]]

        browser.send("POST", "/url", {"url": listed})
        mia = {"email": "mia@example.com", "username": "mia", "password": "hunter22"}
        made = call("/auth/signup", mia)
        check("the page of a listed origin signs up", made["status"] == 200 and made["errors"] is None)
        check("the browser keeps the session", call("/session")["data"]["id"] == made["data"]["id"])
        check("and who is signed in", names() == ["mia"])
        cookies = browser.send("POST", "/execute/sync", {"script": "return document.cookie", "args": []})
        check("no script sees the cookie", cookies == "")
        call("/auth/signup", {"email": "ben@example.com", "username": "ben"})
        check("a second user on the same browser", sorted(names()) == ["ben", "mia"])
        check("signing out ends both", call("/session/sign-out", {})["data"]["signins"] == [] and names() == [])
        signed_in = call("/auth/signin", {"strategy": "plain_email", **{k: mia[k] for k in ("email", "password")}})
        check("and one of them signs in again", signed_in["status"] == 200 and names() == ["mia"])

        browser.send("POST", "/url", {"url": other})
        check("the page of another origin reads nothing", "TypeError" in json.dumps(call("/session")))
        browser.send("DELETE", "")
    finally:
        for process in (driver, server):
            process.terminate()
            process.wait(PATIENCE)
        for pages in (shop, evil):
            pages.shutdown()


main()
