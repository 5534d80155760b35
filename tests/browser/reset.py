"""The link of a mail, in a real browser: a customer forgets a password, gets a mail, sets a new one, logs in with it.

Starts $KEYSTEAD_BIN with a database of its own, a mail server that keeps what it gets, and Chromium through its driver.
Python's standard library only; everything on loopback. Usage: reset.py [SCREENSHOT.png]
"""

import base64
import json
import os
import re
import socketserver
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from driver import DRIVER, KEYSTEAD, PATIENCE, Browser, check, first_line, keystead, opener


class MailServer(socketserver.StreamRequestHandler):
    """Says yes to everything, keeps the text."""

    def handle(self):
        self.wfile.write(b"220 test\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    text += line
                self.server.mails.append(text.decode())
                self.server.arrived.set()
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 ok\r\n")


def call(url, app, **fields):
    data = urllib.parse.urlencode({"name": app["name"], "ownerid": app["ownerid"], **fields}).encode()
    with opener.open(url + "/api/1.2/", data, timeout=PATIENCE) as answer:
        return json.load(answer)


def main():
    folder = tempfile.TemporaryDirectory()
    database = os.path.join(folder.name, "k.db")
    mails = socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer)
    mails.daemon_threads, mails.mails, mails.arrived = True, [], threading.Event()
    threading.Thread(target=mails.serve_forever, daemon=True).start()

    app = json.loads(keystead(database, "app", "create", "demo", "--json"))
    key = json.loads(keystead(database, "license", "create", "--json"))[0]
    server = subprocess.Popen(
        [KEYSTEAD, "serve", "--database", database, "--listen", "127.0.0.1:0", "--smtp-host", "127.0.0.1",
         "--smtp-port", str(mails.server_address[1]), "--smtp-tls", "none", "--smtp-from", "keys@example.com"],
        stderr=subprocess.PIPE, text=True)
    driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        url = first_line(server.stderr, r"listening on (http://\S+)")
        browser = Browser(first_line(driver.stdout, r"started successfully on port (\d+)"),
                          os.path.join(folder.name, "profile"))
        session = call(url, app, type="init", ver="1.0")["sessionid"]
        user = {"sessionid": session, "username": "mia"}
        made = call(url, app, type="register", **user, **{"pass": "old"}, key=key, email="mia@example.com")
        check("a user registers with an e-mail address", made["success"])
        check("and forgets the password", call(url, app, type="forgot", **user, email="mia@example.com")["success"])
        check("a mail arrives", mails.arrived.wait(PATIENCE))
        text = mails.mails[0].replace("=\r\n", "").replace("=3D", "=")
        link = re.search(r"http://\S+/reset\?token=[0-9a-f]{32}", text).group(0)

        browser.send("POST", "/url", {"url": link})
        check("the page names the user", browser.shows("main", "mia"))
        style = "return getComputedStyle(document.querySelector('main')).maxWidth"
        check("it has its style", browser.send("POST", "/execute/sync", {"script": style, "args": []}) != "none")
        if len(sys.argv) > 1:
            with open(sys.argv[1], "wb") as out:
                out.write(base64.b64decode(browser.send("GET", "/screenshot")))
        browser.type("#password", "new secret")
        browser.type("#again", "new secrte")
        browser.click("button")
        check("two that differ are refused", browser.shows(".problem", "not the same"))
        check("and the link is in the address bar no more", "token=" not in browser.send("GET", "/url"))
        browser.type("#password", "new secret")
        browser.type("#again", "new secret")
        browser.click("button")
        check("the password is set", browser.shows("h1", "Your password is set"))
        browser.send("POST", "/url", {"url": link})
        check("the link works once", browser.shows("h1", "does not work any more"))
        session = call(url, app, type="init", ver="1.0")["sessionid"]
        user = {"sessionid": session, "username": "mia"}
        check("the old password is no good", not call(url, app, type="login", **user, **{"pass": "old"})["success"])
        check("the new one is", call(url, app, type="login", **user, **{"pass": "new secret"})["success"])
        browser.send("DELETE", "")
    finally:
        for process in (driver, server):
            process.terminate()
            process.wait(PATIENCE)
        mails.shutdown()


main()
