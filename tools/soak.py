"""An endpoint under ill weather for ten minutes: nothing lost, nothing doubled, nothing that grows.

    cargo build --release && python3 tools/soak.py --keymill target/release/keymill --minutes 10

Starts `keymill serve` with faults, latencies and dropped answers, and has it called by clients of
several kinds at once:

    callers   key pairs under contexts of their own, each blob opened again and compared with its public key
    bursts    RSA_2048 faster than it is made, then a pause in which the pool must fill again
    slow      requests that come byte by byte, and answers that nobody reads
    half-open connections that stop in the middle of a request, or vanish
    policies  a key's policy changed to and fro; who may not use the key is refused at once, who may is let in
    weather   another forecast now and then, over the admin port

At the end the server is stopped, `keymill audit verify` must find the chain whole, and the log must hold
each answered call once. Exits with 1 if anything of this fails; `--json` prints what was counted. Only the
standard library is needed.
"""

import argparse
import base64
import collections
import http.client
import json
import pathlib
import random
import re
import shlex
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent / "load"))
from presign import sign  # noqa: E402

MAKE = "GenerateDataKeyPairWithoutPlaintext"
INJECTED = {"ThrottlingException", "KMSInternalException", "DependencyTimeoutException"}
# What the callers ask for. RSA is for the bursts alone: callers would take what should fill its pool.
SPECS = ["ECC_NIST_P256"] * 6 + ["ECC_NIST_EDWARDS25519", "ECC_NIST_P384", "ML_KEM_768"]
FORECASTS = [
    {"faults": ["ThrottlingException=1%", "KMSInternalException=0.2%"], "latency": "lognormal(2ms,0.7)", "drop": "0.2%"},
    {"faults": ["DependencyTimeoutException=2%"], "latency": "none", "drop": "1%"},
    {"faults": [], "latency": "8ms", "drop": "0%"},
]


class Soak:
    """What all clients share."""

    def __init__(self, wanted, url, access, admin, pid):
        self.wanted, self.url, self.access, self.admin, self.pid = wanted, url, access, admin, pid
        self.host = urllib.parse.urlsplit(url).netloc
        self.end = time.monotonic() + wanted.minutes * 60
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.request_ids, self.public_keys = set(), set()
        self.faults, self.resident, self.fill_seconds = [], [], []

    @property
    def is_over(self):
        return time.monotonic() > self.end

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def answered(self, request_id):
        with self.lock:
            if request_id in self.request_ids:
                self.faults.append(f"two answers have the request id {request_id}")
            self.request_ids.add(request_id)

    def made(self, public_key):
        with self.lock:
            if public_key in self.public_keys:
                self.faults.append(f"a public key was answered twice: {public_key}")
            self.public_keys.add(public_key)


class Lost(Exception):
    """There was no answer."""


class Client:
    """One connection of a user."""

    def __init__(self, soak, access=None):
        self.soak, self.access, self.connection = soak, access or soak.access, None

    def call(self, operation, members):
        """Status and members of the answer."""
        body = json.dumps(members)
        headers = sign(self.soak.url, "us-east-1", *self.access, operation, body)
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.soak.host, timeout=60)
        try:
            self.connection.request("POST", "/", body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            self.connection = None
            self.soak.count("lost")
            raise Lost(str(error)) from error
        self.soak.count("answered")
        self.soak.answered(answer.headers["x-amzn-requestid"])
        return answer.status, json.loads(text) if text else {}

    def insist(self, operation, members):
        """The same, again and again while it is the weather that refuses."""
        while True:
            try:
                status, answer = self.call(operation, members)
            except Lost:
                continue
            if answer.get("__type") in INJECTED:
                self.soak.count(answer["__type"])
                continue
            return status, answer


def caller(soak, number):
    """Makes a pair, opens it, compares."""
    client, dice, turn = Client(soak), random.Random(number), 0
    while not soak.is_over:
        turn += 1
        spec, context = dice.choice(SPECS), {"caller": str(number), "turn": str(turn)}
        try:
            status, pair = client.call(MAKE, {"KeyId": "alias/default", "KeyPairSpec": spec, "EncryptionContext": context})
        except Lost:
            continue
        if status != 200:
            soak.count(pair["__type"])
            if pair["__type"] not in INJECTED:
                soak.fault(f"{spec}: {status} {pair}")
            continue
        soak.count(f"made {spec}")
        soak.made(pair["PublicKey"])
        blob = {"CiphertextBlob": pair["PrivateKeyCiphertextBlob"]}
        status, opened = client.insist("Decrypt", {**blob, "EncryptionContext": context})
        if status != 200 or not belongs(spec, opened["Plaintext"], pair["PublicKey"]):
            soak.fault(f"a blob of {spec} does not open to its private key: {status}")
        soak.count("opened")
        if turn % 50 == 0:
            status, _ = client.insist("Decrypt", {**blob, "EncryptionContext": {**context, "turn": "x"}})
            if status != 400:
                soak.fault(f"a blob of {spec} opens under another context")


def belongs(spec, private_key, public_key):
    """Whether the PKCS#8 holds the public key, where it holds one."""
    private, public = base64.b64decode(private_key), base64.b64decode(public_key)
    if spec.startswith("ECC_NIST_P"):
        return public[-64:] in private
    if spec.startswith("RSA"):
        return public[-261:-5] in private
    return private[:1] == b"\x30"


def bursts(soak):
    """Empties the pool of RSA, and waits for it to be filled again."""
    client = Client(soak)
    while not soak.is_over:
        for _ in range(soak.wanted.rsa):
            if soak.is_over:
                return
            try:
                status, pair = client.call(MAKE, {"KeyId": "alias/default", "KeyPairSpec": "RSA_2048"})
            except Lost:
                continue
            if status == 200:
                soak.count("made RSA_2048")
                soak.made(pair["PublicKey"])
        begun = time.monotonic()
        while not is_filled(soak, "RSA_2048") and time.monotonic() < begun + 120 and not soak.is_over:
            time.sleep(0.5)
        if is_filled(soak, "RSA_2048"):
            soak.count("pool filled again")
            soak.fill_seconds.append(round(time.monotonic() - begun, 1))
        elif not soak.is_over:
            soak.fault("the pool of RSA_2048 did not fill within two minutes")


def metrics(soak):
    with urllib.request.urlopen(f"{soak.admin}/metrics", timeout=60) as answer:
        return answer.read().decode()


def is_filled(soak, spec):
    """Whether the pool is back above its low mark: above it nothing is made, whatever callers take."""
    pools = re.findall(rf'keymill_pool_(ready|prime|low_mark)_pairs{{[^}}]*{spec}[^}}]*}} (\d+)', metrics(soak))
    pairs = {what: int(count) for what, count in pools}
    return pairs["ready"] + pairs["prime"] >= pairs["low_mark"]


def slow(soak):
    """Sends byte by byte; or sends whole requests and reads nothing."""
    body = '{"KeyId": "alias/default", "KeyPairSpec": "RSA_4096"}'
    while not soak.is_over:
        headers = sign(soak.url, "us-east-1", *soak.access, "DescribeKey", body)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"POST / HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n{body}".encode()
        with connect(soak) as stream:
            try:
                for byte in request[:300]:
                    stream.sendall(bytes([byte]))
                    time.sleep(0.01)
                    if soak.is_over:
                        return
                soak.count("slow")
            except OSError:
                soak.count("slow, cut")
        with connect(soak) as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stream.settimeout(5)
            try:
                stream.sendall(request * 200)
                time.sleep(5)
            except OSError:
                pass
            soak.count("unread")


def half_open(soak):
    """Stops in the middle of a request, or vanishes."""
    held, dice = collections.deque(), random.Random(1)
    while not soak.is_over:
        stream = connect(soak)
        stream.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"[: dice.randrange(60)])
        if dice.random() < 0.5:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.close()
            soak.count("vanished")
        else:
            held.append(stream)
            soak.count("half open")
        if len(held) > 50:
            held.popleft().close()
        time.sleep(0.05)


def connect(soak):
    name, port = soak.host.split(":")
    return socket.create_connection((name, int(port)), timeout=60)


def policies(soak, guest):
    """Lets a guest use a key, and not, and so on; each change holds from its answer on."""
    owner, guest_client, is_allowed = Client(soak), Client(soak, guest), False
    _, made = owner.insist("CreateKey", {})
    key = made["KeyMetadata"]["KeyId"]
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "kms:*", "Resource": "*"}
    deny = {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::000000000000:user/guest"},
            "Action": "kms:Generate*", "Resource": "*"}
    while not soak.is_over:
        is_allowed = not is_allowed
        policy = json.dumps({"Version": "2012-10-17", "Statement": [root] if is_allowed else [root, deny]})
        status, answer = owner.insist("PutKeyPolicy", {"KeyId": key, "Policy": policy})
        if status != 200:
            soak.fault(f"PutKeyPolicy: {answer}")
        for _ in range(5):
            status, pair = guest_client.insist(MAKE, {"KeyId": key, "KeyPairSpec": "ECC_NIST_P256"})
            if status == 200:
                soak.made(pair["PublicKey"])
            if (status == 200) != is_allowed or (status != 200 and pair["__type"] != "AccessDeniedException"):
                soak.fault(f"allowed {is_allowed}: {status} {pair.get('__type')}")
        soak.count("policies")
        time.sleep(0.2)


def weather(soak):
    """Another forecast every twenty seconds."""
    turn = 0
    while not soak.is_over:
        turn += 1
        data = json.dumps({**FORECASTS[turn % len(FORECASTS)], "seed": turn}).encode()
        request = urllib.request.Request(f"{soak.admin}/weather", data, method="PUT")
        urllib.request.urlopen(request, timeout=60).read()
        soak.count("forecasts")
        for _ in range(20):
            if not soak.is_over:
                time.sleep(1)


def memory(soak):
    """Resident memory, every five seconds."""
    while not soak.is_over:
        status = pathlib.Path(f"/proc/{soak.pid}/status").read_text()
        soak.resident.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)
        time.sleep(5)


def start(wanted, scratch):
    """The server, its URL, an access key, its admin port and what else it says."""
    command = [wanted.keymill, "--home", scratch / "home", "serve", "--listen", "127.0.0.1:0", "--audit", scratch / "audit",
               "--audit-file-bytes", str(32 << 20), "--admin", "127.0.0.1:0", "--connections", "400",
               "--pool", f"RSA_2048={wanted.rsa},ECC_NIST_P256=20000"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = []
    for line in server.stdout:
        said.append(line)
        if re.search(r"listening on http", line):
            break
    talk = "".join(said)
    variables = {name: shlex.split(value)[0] for name, value in re.findall(r"(AWS_\w+)=(\S+)", talk)}
    try:
        access = variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
        return server, variables["AWS_ENDPOINT_URL_KMS"], access, re.search(r"weather at (\S+)", talk)[1]
    except (KeyError, TypeError):
        sys.exit(f"soak.py: the server does not start:\n{talk}")


def make_guest(wanted, scratch):
    run = subprocess.run([wanted.keymill, "--home", scratch / "home", "principal", "create", "--name", "guest"],
                         capture_output=True, text=True, check=True)
    pairs = dict(re.findall(r"export (AWS_\w+)=(\S+)", run.stdout))
    return pairs["AWS_ACCESS_KEY_ID"], shlex.split(pairs["AWS_SECRET_ACCESS_KEY"])[0]


def audited(soak, folder):
    """How often each request id stands in the log."""
    ids = collections.Counter()
    for path in sorted(folder.glob("audit-*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if match := re.search(r'"requestID":"([^"]+)"', line):
                    ids[match[1]] += 1
    return ids


def check_log(soak, server, wanted, folder):
    """Stops the server, and looks at what it leaves."""
    dropped = int(re.search(r"keymill_answers_dropped_total (\d+)", metrics(soak))[1])
    server.terminate()
    talk = server.communicate(timeout=120)[0]
    if server.returncode != 0:
        soak.fault(f"the server ends with {server.returncode}: {talk}")
    head = re.search(r"the audit log ends with (\w+)", talk)
    verify = subprocess.run([wanted.keymill, "audit", "verify", folder, "--head", head[1] if head else ""],
                            capture_output=True, text=True, check=False)
    if verify.returncode != 0:
        soak.fault(f"audit verify: {verify.stdout}{verify.stderr}")
    ids = audited(soak, folder)
    missing = len(soak.request_ids - ids.keys())
    doubled = sum(count > 1 for count in ids.values())
    if missing or doubled:
        soak.fault(f"{missing} answered calls are not in the audit log, {doubled} stand there twice")
    if soak.counts["lost"] > dropped:
        soak.fault(f"{soak.counts['lost']} answers were lost, {dropped} of them on demand")
    return {"audit": verify.stdout.strip(), "auditEvents": sum(ids.values()), "droppedOnDemand": dropped}


def check_memory(soak):
    """The last third against the third before it: what grows without end grows there too."""
    third = len(soak.resident) // 3
    if third < 4:
        return {"residentMiB": soak.resident}
    middle, last = (sorted(part)[third // 2] for part in (soak.resident[third : 2 * third], soak.resident[2 * third :]))
    if last > 1.05 * middle + 4:
        soak.fault(f"resident memory grew from {middle:.0f} to {last:.0f} MiB")
    return {"residentMiB": {"first": soak.resident[0], "middleThird": middle, "lastThird": last, "most": max(soak.resident)}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keymill", required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--callers", type=int, default=6)
    parser.add_argument("--rsa", type=int, default=300, help="pairs in the pool of RSA_2048")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        server, url, access, admin = start(wanted, scratch)
        soak = Soak(wanted, url, access, admin, server.pid)
        guest = make_guest(wanted, scratch)
        tasks = [(caller, number) for number in range(wanted.callers)]
        tasks += [(bursts,), (slow,), (half_open,), (policies, guest), (weather,), (memory,)]
        threads = [threading.Thread(target=guarded, args=(soak, *task)) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        summary = {"minutes": wanted.minutes, "counts": dict(sorted(soak.counts.items())), **check_memory(soak),
                   "publicKeys": len(soak.public_keys), "fillSeconds": soak.fill_seconds, **check_log(soak, server, wanted, scratch / "audit"),
                   "faults": soak.faults[:20], "faultCount": len(soak.faults)}
    print(json.dumps(summary, indent=1) if wanted.json else told(summary))
    sys.exit(1 if soak.faults else 0)


def guarded(soak, task, *arguments):
    """Runs a client; what ends it early is a fault."""
    try:
        task(soak, *arguments)
    except Exception as error:  # noqa: BLE001
        if not soak.is_over:
            soak.fault(f"{task.__name__}: {type(error).__name__}: {error}")


def told(summary):
    lines = [f"{name:28} {count:>9,}" for name, count in summary["counts"].items()]
    lines += [f"{name}: {value}" for name, value in summary.items() if name != "counts"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
