#!/usr/bin/env python3
"""A client of the 1.2 API that believes nothing unsigned. Standard library only.

    examples/client.py URL NAME OWNERID SECRET KEY1 KEY2 KEY3

runs a customer's visit with three unused licenses and ends with 1 if an answer is not the expected one. To use it in a
program, take the class `Client`.

What the signature is worth: it shows that whoever answered knows the app's secret. The secret is inside every copy of
the program, so a determined customer can dig it out and forge answers. It keeps out those who only change the network.
"""

import hashlib
import hmac
import json
import secrets
import sys
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 10


class Refused(Exception):
    """The server said no. `message` is for the customer, `code` is stable and for programs."""

    def __init__(self, answer):
        super().__init__(answer["message"])
        self.message = answer["message"]
        self.code = answer.get("error", "")


class Tampered(Exception):
    """The answer is not from somebody who knows the app's secret."""


class Client:
    """One session of one app."""

    def __init__(self, url, name, ownerid, secret):
        self.url, self.name, self.ownerid, self.secret = url, name, ownerid, secret
        self.sessionid = None
        self.enckey = None

    def init(self, version="1.0"):
        """Opens a session. The key drawn here signs all later answers of it, so that none can be replayed in another."""
        self.sessionid, self.enckey = None, secrets.token_hex(16)
        answer = self._call("init", ver=version, enckey=self.enckey)
        self.sessionid = answer["sessionid"]
        return answer

    def register(self, username, password, key, hwid=None):
        """Makes a user with a license and logs it in. Answers what the user holds."""
        return self._call("register", username=username, **{"pass": password}, key=key, hwid=hwid)["info"]

    def login(self, username, password, hwid=None):
        """Logs a user in. Answers what the user holds."""
        return self._call("login", username=username, **{"pass": password}, hwid=hwid)["info"]

    def license(self, key, hwid=None):
        """Logs in with nothing but a license; its first use redeems it."""
        return self._call("license", key=key, hwid=hwid)["info"]

    def upgrade(self, username, key):
        """Redeems a license for a user that exists. Logs nobody in."""
        return self._call("upgrade", username=username, key=key)["message"]

    def check(self):
        """Whether somebody is logged in on this session."""
        try:
            return self._call("check")["success"]
        except Refused as refused:
            if refused.code == "SESSION_NOT_VALIDATED":
                return False
            raise

    def var(self, name):
        """A text that the operator keeps on the server."""
        return self._call("var", varid=name)["message"]

    def logout(self):
        """Ends the session."""
        self._call("logout")
        self.sessionid = None

    def _call(self, kind, **fields):
        fields |= {"type": kind, "name": self.name, "ownerid": self.ownerid, "sessionid": self.sessionid}
        form = urllib.parse.urlencode({field: text for field, text in fields.items() if text is not None})
        # Failures are HTTP 200 with success false; any other status is the server's trouble and raises here.
        with urllib.request.urlopen(self.url, form.encode(), TIMEOUT_SECONDS) as response:
            body, signature = response.read(), response.headers.get("signature", "")
        if body == b"KeyAuth_Invalid":
            raise LookupError("there is no such app: look at its name and ownerid")
        self._verify(kind, body, signature)
        answer = json.loads(body)
        if not answer["success"]:
            raise Refused(answer)
        return answer

    def _verify(self, kind, body, signature):
        key = self.secret if kind == "init" else f"{self.enckey}-{self.secret}"
        right = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        # In constant time: how long a comparison takes must not tell how much of a guess was right. As bytes, because
        # a header may hold anything.
        if not hmac.compare_digest(right.encode(), signature.encode("utf-8", "surrogateescape")):
            raise Tampered(f"the answer to {kind} has a wrong signature")


def expect_refusal(code, call, *arguments):
    """Runs a call that must be refused with this code."""
    try:
        call(*arguments)
    except Refused as refused:
        if refused.code == code:
            print(f"refused, as it should be: {refused.message} ({code})")
            return
        raise
    raise AssertionError(f"expected {code}")


def main():
    """A customer's visit."""
    if len(sys.argv) != 8:
        sys.exit(f"usage: {sys.argv[0]} URL NAME OWNERID SECRET KEY1 KEY2 KEY3")
    url, name, ownerid, secret, key1, key2, key3 = sys.argv[1:]
    user = f"python-{secrets.token_hex(4)}"

    client = Client(url, name, ownerid, secret)
    print(f"init: session {client.init()['sessionid'][:8]}…")
    assert not client.check(), "nobody has logged in yet"
    info = client.register(user, "correct horse", key1, "laptop")
    print(f"register: {info['username']} holds {info['subscriptions'][0]['subscription']}")
    assert client.check(), "logged in"
    expect_refusal("LICENSE_IN_USE", client.register, user + "-2", "secret", key1)
    expect_refusal("INVALID_PASSWORD", client.login, user, "wrong", "laptop")
    before = int(client.login(user, "correct horse", "laptop")["subscriptions"][0]["expiry"])
    print(f"upgrade: {client.upgrade(user, key2)}")
    after = int(client.login(user, "correct horse", "laptop")["subscriptions"][0]["expiry"])
    assert after > before, "the license was added"
    print(f"login: {(after - before) // 86400} days more than before")
    expect_refusal("VARIABLE_NOT_FOUND", client.var, "no-such-variable")
    client.logout()

    client.init()
    info = client.license(key3)
    print(f"license: {info['username']} is logged in until {info['subscriptions'][0]['expiry']}")

    forger = Client(url, name, ownerid, "0" * 64)
    try:
        forger.init()
    except Tampered as tampered:
        print(f"with a wrong secret: {tampered}")
    else:
        raise AssertionError("an answer with a wrong signature was believed")


if __name__ == "__main__":
    main()
