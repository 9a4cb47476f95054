"""`keymill serve`, with a home of its own."""

import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import threading

from client import Principal


class Home:
    """A keystore in a folder."""

    def __init__(self, keymill, folder):
        self.keymill, self.folder = keymill, pathlib.Path(folder)

    def command(self, *arguments):
        return [str(self.keymill), "--home", str(self.folder / "home"), *map(str, arguments)]

    def principal(self, name, *options):
        """Makes a user with an access key of its own."""
        secret = secrets.token_urlsafe(30)
        file = self.folder / "secret"
        file.write_text(secret)
        access_key_id = f"AKID{name.upper()}"
        create = ["principal", "create", "--name", name, "--access-key-id", access_key_id,
                  "--secret-access-key-file", file, *options]
        subprocess.run(self.command(*create), check=True, capture_output=True, text=True)
        file.unlink()
        return Principal(access_key_id, secret)

    def session(self, name):
        """A temporary access key of a user."""
        made = subprocess.run(self.command("--json", "principal", "session", name), check=True,
                              capture_output=True, text=True)
        made = json.loads(made.stdout)["Principal"]
        return Principal(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    @property
    def certificate(self):
        """A file with a certificate for this address and its key; made when first asked for."""
        file = self.folder / "certificate.pem"
        if not file.exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=keymill",
                 "-addext", "subjectAltName=IP:127.0.0.1",
                 # It may not sign others: rustls takes no such certificate for a server's.
                 "-addext", "basicConstraints=critical,CA:FALSE", "-out", file, "-keyout", file],
                check=True, capture_output=True)
        return file

    def serve(self, *options, before=()):
        """Starts a server, by the command line `before` if that is given."""
        return Server(self, options, before)


class Server:
    """A running endpoint; as a context, until its end."""

    def __init__(self, home, options, before):
        self.home, self.options, self.before = home, options, before
        self.address = "127.0.0.1:0"
        self.start()

    def start(self):
        """Starts it, once more at the address that it had."""
        serve = self.home.command("serve", "--listen", self.address, "--eager", *self.options)
        # A session of its own, so that what the command line before it starts ends with it.
        self.process = subprocess.Popen(
            [*self.before, *serve], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True)
        told = ""
        while "listening" not in told:
            line = self.process.stderr.readline()
            if not line:
                raise RuntimeError(f"the endpoint ended with {self.process.wait()}: {told}")
            told += line
        self.endpoint, self.address = re.search(r"(https?://(\S+))", told).groups()
        # What else it says is read, so that it never waits for a reader.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
