#!/usr/bin/env python3
"""A client of the 1.3 API that believes nothing unsigned. Standard library only; uses the package `cryptography` if it
is there, else ed25519.py beside this file.

    examples/client_1_3.py URL NAME OWNERID PUBLIC_KEY KEY1 KEY2 VARIABLE CHANNEL FILEID

runs a customer's visit with two unused licenses and ends with 1 if an answer is not the expected one. PUBLIC_KEY is what
`keystead config public-key` prints; the last three name a variable, a chat and a file that the operator has made. To use
it in a program, take the class `Client`.

    examples/client_1_3.py --self-test

asks nobody: it shows which answers are not believed.

What the signature is worth: only the server can make it, so nobody in between can change an answer or invent one, and
there is no secret inside the program to dig out. It does not say which question an answer belongs to: somebody in between
can still show an answer of the last seconds once more. TLS keeps that out.
"""

import json
import secrets
import sys
import time
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 10
# How far the server's clock and ours may be apart. An older answer may be a recorded one.
FRESH_SECONDS = 25
# What `code` is in every answer that says yes.
CODE_OF_SUCCESS = 68

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    def signed_by(public_key, signature, message):
        """Whether `signature` is of `message` by the owner of `public_key`."""
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

except ImportError:
    from ed25519 import verify as signed_by


class Refused(Exception):
    """The server said no. `message` is for the customer, `code` is stable and for programs."""

    def __init__(self, answer):
        super().__init__(answer["message"])
        self.message = answer["message"]
        self.code = answer.get("error", "")


class Tampered(Exception):
    """The answer is not from the server, not for this app, or not of now."""


class Client:
    """One session of one app."""

    def __init__(self, url, name, ownerid, public_key):
        self.url, self.name, self.ownerid = url, name, ownerid
        self.public_key = bytes.fromhex(public_key)
        self.sessionid = None

    def init(self, version="1.0"):
        """Opens a session."""
        self.sessionid = None
        answer = self._call("init", ver=version)
        self.sessionid = answer["sessionid"]
        return answer

    def register(self, username, password, key, hwid=None):
        """Makes a user with a license and logs it in. Answers what the user holds."""
        return self._call("register", username=username, **{"pass": password}, key=key, hwid=hwid)["info"]

    def login(self, username, password, hwid=None, code=None):
        """Logs a user in; `code` is the one-time code of a user with two factors. Answers what the user holds."""
        return self._call("login", username=username, **{"pass": password}, hwid=hwid, code=code)["info"]

    def license(self, key, hwid=None):
        """Logs in with nothing but a license; its first use redeems it."""
        return self._call("license", key=key, hwid=hwid)["info"]

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

    def setvar(self, name, value):
        """Keeps a text for the user who is logged in."""
        self._call("setvar", var=name, data=value)

    def getvar(self, name):
        """What `setvar` kept."""
        return self._call("getvar", var=name)["response"]

    def log(self, message, computer=None):
        """Tells the operator something."""
        self._call("log", message=message, pcuser=computer)

    def stats(self):
        """How many users, users online and licenses the app has, as texts."""
        return self._call("fetchStats")["appinfo"]

    def chat_send(self, channel, message):
        """Says something in a chat."""
        self._call("chatsend", channel=channel, message=message)

    def chat_get(self, channel):
        """What was last said in a chat, oldest first."""
        return self._call("chatget", channel=channel)["messages"]

    def file(self, fileid):
        """The bytes of a file that the operator keeps on the server."""
        return bytes.fromhex(self._call("file", fileid=fileid)["contents"])

    def logout(self):
        """Ends the session."""
        self._call("logout")
        self.sessionid = None

    def _call(self, kind, **fields):
        fields |= {"type": kind, "name": self.name, "ownerid": self.ownerid, "sessionid": self.sessionid}
        form = urllib.parse.urlencode({field: text for field, text in fields.items() if text is not None})
        answer = self.believed(*self._post(form.encode()), time.time())
        if not answer["success"]:
            raise Refused(answer)
        return answer

    def _post(self, form):
        """The time, the signature and the body of an answer, unread."""
        # Failures are HTTP 200 with success false; any other status is the server's trouble and raises here.
        with urllib.request.urlopen(self.url, form, TIMEOUT_SECONDS) as response:
            headers = response.headers
            timestamp, signature = (headers.get(f"x-signature-{name}", "") for name in ("timestamp", "ed25519"))
            return timestamp, signature, response.read()

    def believed(self, timestamp, signature, body, now):
        """The answer as JSON, once everything about it is right; else `Tampered`."""
        try:
            right = signed_by(self.public_key, bytes.fromhex(signature), timestamp.encode() + body)
        except ValueError:
            right = False
        if not right:
            raise Tampered("the signature is not the server's")
        # Only now: an unsigned time would be worth nothing.
        if abs(now - int(timestamp)) > FRESH_SECONDS:
            raise Tampered("the answer is old, or a clock is wrong")
        if body == b"KeyAuth_Invalid":
            raise LookupError("there is no such app: look at its name and ownerid")
        answer = json.loads(body)
        # The key is the whole server's: without this, an answer about somebody else's app would do.
        if answer.get("ownerid") != self.ownerid:
            raise Tampered("the answer is for another owner")
        if (answer["code"] == CODE_OF_SUCCESS) != answer["success"]:
            raise Tampered("the answer says yes and no")
        return answer


def expect(error, call, *arguments):
    """Runs a call that must fail so; what it said."""
    try:
        call(*arguments)
    except error as failure:
        return failure
    raise AssertionError(f"expected {error.__name__}")


def expect_refusal(code, call, *arguments):
    """Runs a call that must be refused with this code."""
    refused = expect(Refused, call, *arguments)
    assert refused.code == code, f"expected {code}, not {refused.code}"
    print(f"refused, as it should be: {refused.message} ({code})")


def self_test():
    """Which answers are believed. The key belongs to the private key of 32 bytes 0x01, so anybody can make more of these."""
    key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
    at = "1700000000"
    good = (
        at,
        "a2a83b92ded7d39fb36b557488e4e72a67137324d1f3cad2ca9605551c3d5d333d2fb126a14fcaf2a07fcc9605b325abd750fbe42154f9bf"
        "c3f464791b011b06",
        b'{"success":true,"code":68,"message":"Session is validated.","nonce":"00112233-4455-6677-8899-aabbccddeeff",'
        b'"role":"not_checked","ownerid":"OwnerId123"}',
    )
    wrong_code = (
        at,
        "97d5121e72585f9a48a44db8f8844dd9378fb364edef1ab80b9cea477600dd5191c5e15be8f6f5856edbcaeb9786981b9dc6206120920"
        "9da3e9ab561eb752009",
        good[2].replace(b'"code":68', b'"code":0'),
    )
    no_app = (
        at,
        "8f4302a91bc5203c32220794ff9ee254d528570afa5ac8b4cb833c416bf701ed88257cd024925c6a9a4a6a6c6c5e7ac7b3c2f304ed2436d9"
        "e6f716c3bcbc3f0d",
        b"KeyAuth_Invalid",
    )
    now = int(at)
    client = Client("", "demo", "OwnerId123", key)
    for moment in (now - FRESH_SECONDS, now, now + FRESH_SECONDS):
        assert client.believed(*good, moment)["success"]
    expect(LookupError, client.believed, *no_app, now)

    first_half, second_half = good[1][:64], int.from_bytes(bytes.fromhex(good[1][64:]), "little")
    order = 2**252 + 27742317777372353535851937790883648493
    second_spelling = first_half + (second_half + order).to_bytes(32, "little").hex()
    other_owner, other_key = Client("", "demo", "OwnerId456", key), Client("", "demo", "OwnerId123", "00" * 31 + "02")
    for what, believer, answer, moment in [
        ("a changed body", client, (at, good[1], good[2].replace(b"validated", b"Validated")), now),
        ("a body with more behind it", client, (at, good[1], good[2] + b"\n"), now),
        ("a changed time", client, ("1700000001", good[1], good[2]), now),
        ("a signature of something else", client, (at, no_app[1], good[2]), now),
        ("a second spelling of the signature", client, (at, second_spelling, good[2]), now),
        ("half a signature", client, (at, first_half, good[2]), now),
        ("no signature", client, (at, "", good[2]), now),
        ("no headers at all", client, ("", "", good[2]), now),
        ("another key", other_key, good, now),
        ("another owner", other_owner, good, now),
        ("a success without its code", client, wrong_code, now),
        ("an old answer", client, good, now + FRESH_SECONDS + 1),
        ("an answer from the future", client, good, now - FRESH_SECONDS - 1),
    ]:
        print(f"{what}: {expect(Tampered, believer.believed, *answer, moment)}")


def visit(url, name, ownerid, public_key, key1, key2, variable, channel, fileid):
    """A customer's visit."""
    user = f"python-{secrets.token_hex(4)}"
    client = Client(url, name, ownerid, public_key)
    print(f"init: session {client.init()['sessionid'][:8]}…")
    assert not client.check(), "nobody has logged in yet"
    info = client.register(user, "correct horse", key1, "laptop")
    print(f"register: {info['username']} holds {info['subscriptions'][0]['subscription']}")
    assert client.check(), "logged in"
    expect_refusal("LICENSE_IN_USE", client.register, user + "-2", "secret", key1)
    client.logout()
    expect_refusal("SESSION_NOT_FOUND", client.check)

    client.init()
    expect_refusal("INVALID_PASSWORD", client.login, user, "wrong", "laptop")
    expect_refusal("HWID_MISMATCH", client.login, user, "correct horse", "desktop")
    print(f"login: {client.login(user, 'correct horse', 'laptop')['username']}")
    print(f"var: {client.var(variable)}")
    client.setvar("theme", "dark / Größe 12")
    assert client.getvar("theme") == "dark / Größe 12", "what was kept comes back"
    client.log("the example was here", "laptop")
    stats = client.stats()
    print(f"stats: {stats['numUsers']} users, {stats['numOnlineUsers']} online, {stats['numKeys']} licenses")
    client.chat_send(channel, "hello")
    said = client.chat_get(channel)[-1]
    assert (said["author"], said["message"]) == (user, "hello"), said
    print(f"chat: {said['author']} said {said['message']}")
    print(f"file: {len(client.file(fileid))} bytes")
    expect_refusal("FILE_NOT_FOUND", client.file, "no-such-file")

    client.init()
    print(f"license: {client.license(key2)['username']} is logged in")

    forged = Client(url, name, ownerid, "00" * 31 + "02")
    print(f"with another key: {expect(Tampered, forged.init)}")
    stranger = Client(url, name + " too", ownerid, public_key)
    print(f"with another app: {expect(LookupError, stranger.init)}")


def main():
    """See above."""
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    elif len(sys.argv) == 10:
        visit(*sys.argv[1:])
    else:
        sys.exit(f"usage: {sys.argv[0]} URL NAME OWNERID PUBLIC_KEY KEY1 KEY2 VARIABLE CHANNEL FILEID, or --self-test")


if __name__ == "__main__":
    main()
