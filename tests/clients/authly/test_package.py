"""The PyPI package `AuthlyX` as published, against a real server: everything that its class can do.

The package has its vendor's address inside, asks a public address for its own, and writes a log under /var/log. Only that
is changed, and from outside; what it sends and how it reads answers is its own. It ends the process when `init` fails.
"""

import contextlib
import io
import unittest
from unittest import mock

import AuthlyX as package
from shop import APP, Shop


class Client(package.AuthlyX):
    """The published client at another address."""

    def __init__(self, shop, address, version="1.0"):
        super().__init__(shop.ownerid, APP, version, shop.secret)
        self.base_url = f"{address}/api/v1"

    def _get_public_ip(self):
        return "198.51.100.7"

    def _log(self, content):
        pass


class Package(unittest.TestCase):
    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.close)
        self.address = self.shop.serve()

    def opened(self):
        client = Client(self.shop, self.address)
        self.assertTrue(client.init(), client.response)
        return client

    def test_init_opens_a_session(self):
        client = self.opened()
        self.assertRegex(client.get_session_id(), r"^[0-9a-f]{64}$")
        self.assertTrue(client.is_initialized() and client.validate_session())
        self.assertFalse(client.is_update_available())

    def test_init_says_why_not(self):
        def ended(client):
            told = io.StringIO()
            with contextlib.redirect_stdout(told), self.assertRaises(SystemExit):
                client.init()
            self.assertFalse(client.is_initialized())
            return told.getvalue()

        self.assertIn("not the current one", ended(Client(self.shop, self.address, "2.0")))
        self.shop.operator("app", "set", "download=https://example.test/new.zip")
        outdated = Client(self.shop, self.address, "2.0")
        with mock.patch("webbrowser.open") as browser:
            self.assertIn("update your app", ended(outdated))
        browser.assert_called_with("https://example.test/new.zip")
        self.assertTrue(outdated.is_update_available())
        self.assertEqual(outdated.get_update_info()["latest_version"], "1.0")
        stranger = Client(self.shop, self.address)
        stranger.secret = "0" * 64
        self.assertIn("secret", ended(stranger))

    def test_the_first_program_hash_is_kept(self):
        self.shop.operator("app", "set", "hashcheck=1")
        self.opened()
        changed = Client(self.shop, self.address)
        changed.application_hash = "0" * 64
        with contextlib.redirect_stdout(io.StringIO()), self.assertRaises(SystemExit):
            changed.init()
        self.assertEqual(changed.response["message"], "Invalid application hash")

    def test_register_and_login(self):
        key = self.shop.key()
        client = self.opened()
        before = client.get_session_id()
        self.assertTrue(client.register("mïa", "a+b&c %41", key, "Mia@example.test"), client.response)
        self.assertEqual(client.response["message"], "User registered successfully")
        self.assertEqual((client.user_data["username"], client.user_data["email"]), ("mïa", "Mia@example.test"))
        self.assertEqual(client.user_data["subscription"], "default")
        self.assertRegex(client.user_data["expiry_date"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertNotEqual(client.get_session_id(), before, "it goes on with the new session")
        self.assertTrue(client.validate_session())
        self.assertFalse(client.register("noa", "other", key))
        self.assertEqual(client.response["message"], "This license key is already in use")

        again = self.opened()
        self.assertFalse(again.login("mïa", "wrong"))
        self.assertEqual(again.response["message"], "Invalid password")
        self.assertTrue(again.login("MïA", "a+b&c %41"), again.response)
        self.assertEqual(again.user_data["username"], "mïa")
        self.assertNotEqual(again.user_data["last_login"], "")
        with mock.patch.object(Client, "_get_system_hwid", return_value="another machine"):
            self.assertFalse(self.opened().login("mïa", "a+b&c %41"))

    def test_license_login_twice(self):
        key = self.shop.key()
        for _ in range(2):
            client = self.opened()
            self.assertTrue(client.license_login(key), client.response)
            self.assertEqual(client.user_data["license_key"], key)
            self.assertEqual(client.user_data["subscription"], "default")
            self.assertTrue(client.validate_session())
        self.assertFalse(client.license_login("no-such-key"))
        self.assertEqual(client.response["message"], "License key not found")

    def test_variables(self):
        self.shop.operator("var", "set", "motd", "Grüße – 日本 🔑 \"quoted\" <and> more")
        client = self.opened()
        self.assertEqual(client.get_variable("motd"), "", "only for users who are logged in")
        self.assertTrue(client.license_login(self.shop.key()))
        self.assertEqual(client.get_variable("motd"), "Grüße – 日本 🔑 \"quoted\" <and> more")
        self.assertNotEqual(client.variable_data["updated_at"], "")
        self.assertFalse(client.set_variable("motd", "mine"), "the operator has not switched it on")
        self.shop.operator("app", "set", "authlySetsVariables=1")
        self.assertTrue(client.set_variable("motd", "mine"), client.response)
        self.assertEqual(client.get_variable("motd"), "mine")
        self.assertEqual(client.get_variable("none"), "")

    def test_chats(self):
        self.shop.operator("chat", "create", "lobby")
        client = self.opened()
        self.assertTrue(client.license_login(self.shop.key()))
        client.send_chat("hello", "lobby")
        self.assertTrue(client.response["success"], client.response)
        client.send_chat("wörld", "lobby")
        client.get_chats("lobby")
        self.assertEqual([m["message"] for m in client.chat_messages["messages"]], ["hello", "wörld"])
        self.assertEqual((client.chat_messages["channel_name"], client.chat_messages["count"]), ("lobby", 2))
        client.get_chats("none")
        self.assertEqual(client.response["message"], "Channel not found")

    def test_logs(self):
        client = self.opened()
        self.assertTrue(client.log("started"))
        self.assertIn('"started"', self.shop.operator("log", "list", "--json"))

    def test_a_session_that_was_ended(self):
        client = self.opened()
        self.shop.operator("session", "kill", "--all")
        self.assertFalse(client.validate_session())
        self.assertEqual(client.response["message"], "Invalid session")


if __name__ == "__main__":
    unittest.main()
