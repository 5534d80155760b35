"""A shop (one app in a database of its own) and a running server for it, made with nothing but the `keystead` binary.

Must not speak the protocol itself: the clients do the talking.
"""

import json
import os
import re
import subprocess
import tempfile
import threading

KEYSTEAD = os.environ["KEYSTEAD_BIN"]

# A setting of the developer's own shell must not decide a test.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("KEYSTEAD_")}

# With a blank and a letter that is not ASCII, since clients send it in every form.
APP = "Acme Tööls"


class Shop:
    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="keystead-authly-")
        self._database = os.path.join(self._folder.name, "shop.db")
        app = json.loads(self._run("app", "create", APP, "--json"))
        self.ownerid, self.secret = app["ownerid"], app["secret"]
        self._server = None

    def operator(self, *args):
        """Runs `keystead ARGS --app APP` on this shop's database, also while its server runs; what it printed."""
        return self._run(*args, "--app", APP)

    def key(self, duration="30d"):
        """One unused key."""
        return json.loads(self.operator("license", "create", "--duration", duration, "--level", "1", "--json"))[0]

    def public_key(self):
        """The server's public key, in hex."""
        return re.search(r"\b[0-9a-f]{64}\b", self._run("config", "public-key")).group()

    def serve(self):
        """Starts a server; its address, once it listens."""
        command = [KEYSTEAD, "serve", "--listen", "127.0.0.1:0", "--database", self._database]
        self._server = subprocess.Popen(command, env=ENVIRONMENT, text=True, stderr=subprocess.PIPE)
        told = []
        for line in self._server.stderr:
            told.append(line)
            if found := re.search(r"listening on (http://\S+)", line):
                # Reads on: a full pipe would stop the server in the middle of a test.
                self._reading = threading.Thread(target=self._server.stderr.read, daemon=True)
                self._reading.start()
                return found[1]
        raise RuntimeError("the server did not start:\n" + "".join(told))

    def close(self):
        """Ends the server and deletes the database."""
        if self._server:
            self._server.kill()
            self._server.wait()
            self._reading.join()
            self._server.stderr.close()
        self._folder.cleanup()

    def _run(self, *args):
        command = [KEYSTEAD, *args, "--database", self._database]
        ran = subprocess.run(command, env=ENVIRONMENT, text=True, capture_output=True, check=False)
        if ran.returncode != 0:
            raise RuntimeError(f"keystead {' '.join(args)}: {ran.stderr}")
        return ran.stdout
