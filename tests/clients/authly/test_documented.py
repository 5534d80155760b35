"""What the vendor's pages document, over plain HTTP, against a real server whose answers are signed: each answer is
verified as the vendor's own clients do, with another library than the server's, and a changed one must be refused.
"""

import base64
import json
import secrets
import time
import unittest

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from shop import APP, Shop

MACHINE = "S-1-5-21-1-2-3"


def canonical(value):
    """What is signed: sorted names, no blanks, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Wire:
    """Posts, and believes nothing unsigned."""

    def __init__(self, shop, address):
        self.shop, self.address, self.session = shop, address, None
        self.key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(shop.public_key()))

    def verify(self, headers, request_id, nonce, body):
        assert headers["x-v2-request-id"] == request_id and headers["x-v2-nonce"] == nonce, headers
        assert abs(time.time() * 1000 - int(headers["x-v2-signature-ts"])) < 300_000
        signed = f"{headers['x-v2-signature-ts']}\n{request_id}\n{nonce}\n{canonical(body)}"
        self.key.verify(base64.b64decode(headers["x-v2-signature"], validate=True), signed.encode())

    def post(self, path, **fields):
        """The answer's status and body, and a function that verifies another body in its place."""
        request_id, nonce = secrets.token_hex(16), secrets.token_hex(16)
        sent = {"session_id": self.session, "request_id": request_id, "nonce": nonce,
                "timestamp": int(time.time() * 1000), **fields}
        headers = {"x-request-id": request_id, "x-auth-nonce": nonce, "x-auth-timestamp": str(sent["timestamp"])}
        answer = requests.post(f"{self.address}/api/v2/{path}", json=sent, headers=headers, timeout=30)
        body = answer.json()
        self.verify(answer.headers, request_id, nonce, body)
        assert answer.content.decode() == canonical(body), "what is signed is exactly what is sent"
        if body.get("session_id"):
            self.session = body["session_id"]
        return answer.status_code, body, lambda other: self.verify(answer.headers, request_id, nonce, other)

    def init(self, **change):
        fields = {"owner_id": self.shop.ownerid, "app_name": APP, "secret": self.shop.secret, "version": "1.0"}
        return self.post("init", **{**fields, **change})


class Documented(unittest.TestCase):
    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.close)
        self.shop.operator("app", "set", "authlySigned=1")
        self.address = self.shop.serve()
        self.wire = Wire(self.shop, self.address)

    def granted(self, answer, message):
        status, body, _ = answer
        self.assertEqual((status, body["success"], body["message"]), (200, True, message), body)
        return body

    def refused(self, answer, status, code):
        self.assertEqual((answer[0], answer[1]["code"], answer[1]["success"]), (status, code, False))

    def registered(self):
        self.granted(self.wire.init(), "Init success")
        made = self.wire.post("register", username="alice7", password="s3cret-pw", key=self.shop.key(),
                              email="alice7@example.test", sid=MACHINE)
        return self.granted(made, "User registered successfully")

    def test_the_whole_visit(self):
        user = self.registered()["user"]
        names = {"username", "email", "subscription", "subscription_level", "expiry_date", "sid", "hwid"}
        self.assertEqual(set(user), names)
        self.assertEqual((user["subscription_level"], user["sid"], user["hwid"]), (1, MACHINE, MACHINE))

        login = {"username": "alice7", "password": "s3cret-pw", "sid": MACHINE, "ip": "198.51.100.7"}
        self.refused(self.wire.post("login", **{**login, "password": "wrong"}), 401, "INVALID_PASSWORD")
        user = self.granted(self.wire.post("login", **login), "Login success")["user"]
        more = {"device_limit", "current_devices", "last_login", "registered_at", "linked_license_key"}
        self.assertEqual(set(user), names | more)

        extend = {"username": "alice7", "license_key": self.shop.key("10d"), "sid": MACHINE}
        body = self.granted(self.wire.post("extend", **extend), "Account extended successfully.")
        self.assertEqual(body["time_added_seconds"], 864_000)
        self.refused(self.wire.post("extend", **extend), 403, "LICENSE_IN_USE")

        change = {"old_password": "s3cret-pw", "new_password": "another-pw"}
        self.granted(self.wire.post("change-password", **change), "Password changed successfully")
        self.refused(self.wire.post("change-password", **change), 401, "INVALID_PASSWORD")
        self.refused(self.wire.post("login", **login), 401, "INVALID_PASSWORD")
        self.granted(self.wire.post("login", **{**login, "password": "another-pw"}), "Login success")
        self.assertIs(self.granted(self.wire.post("validate-session"), "Session is valid")["valid"], True)
        self.assertIs(self.wire.post("blacklist/check", hwid=MACHINE)[1]["blacklisted"], False)

    def test_license_variables_chats_and_logs(self):
        self.shop.operator("var", "set", "motd", "Grüße – 日本 🔑 <b>\"x\" & 'y'</b>")
        self.shop.operator("chat", "create", "lobby")
        self.granted(self.wire.init(), "Init success")
        key = self.shop.key()
        body = self.granted(self.wire.post("licenses", license_key=key, hwid=MACHINE), "Login success")
        self.assertEqual((body["license"]["license_key"], body["license"]["days_left"] in (29, 30)), (key, True))
        body = self.granted(self.wire.post("variables", var_key="motd"), "Variable retrieved successfully")
        self.assertEqual(body["variable"]["var_value"], "Grüße – 日本 🔑 <b>\"x\" & 'y'</b>")
        self.refused(self.wire.post("variables/set", var_key="motd", var_value="x"), 403, "PERMISSION_DENIED")
        for text in ("eins", "zwei", "drei"):
            self.granted(self.wire.post("chats/send", channel_name="lobby", message=text), "Message sent successfully")
        page = self.wire.post("chats/get", channel_name="lobby", limit=2)[1]["data"]
        self.assertEqual(([m["message"] for m in page["messages"]], page["has_more"]), (["zwei", "drei"], True))
        page = self.wire.post("chats/get", channel_name="lobby", limit=2, cursor=page["next_cursor"])[1]["data"]
        self.assertEqual(([m["message"] for m in page["messages"]], page["pagination"]["has_more"]), (["eins"], False))
        self.granted(self.wire.post("logs", message="started"), "Log saved successfully")

    def test_refusals_are_signed_too(self):
        self.refused(self.wire.init(secret="0" * 64), 401, "INVALID_SECRET")
        self.refused(self.wire.init(version="2.0"), 426, "VERSION_MISMATCH")
        self.refused(self.wire.init(version=""), 400, "MISSING_FIELDS")
        self.granted(self.wire.init(), "Init success")
        self.refused(self.wire.post("register", username="x"), 400, "MISSING_FIELDS")
        self.refused(self.wire.post("login", username="nobody", password="x", sid="x"), 404, "USER_NOT_FOUND")

    def test_a_changed_answer_is_refused(self):
        _, body, verify = self.wire.init()
        verify(body)
        for change in ({"success": False}, {"message": "Init success "}, {"session_id": "0" * 64}, {"more": 1}):
            with self.assertRaises(InvalidSignature):
                verify({**body, **change})
        # Nor does the signature of one answer fit another.
        _, other, _ = self.wire.init()
        with self.assertRaises(InvalidSignature):
            verify(other)


if __name__ == "__main__":
    unittest.main()
