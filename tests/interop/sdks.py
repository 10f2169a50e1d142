"""The PyPI SDKs: what each signs for our receiver, and accepts of what ours signs.

Usage: sdks.py PEER_URL. `run` starts it. It makes the checks of sdks.mjs, where the SDKs are more.
"""

import base64
import hashlib
import hmac
import http.client
import itertools
import json
import os
import re
import sys
import time
import traceback
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import standardwebhooks
import stripe
import svix
from paddle_billing.Notifications import Secret, Verifier
from paddle_billing.Notifications.PaddleSignature import PaddleSignature
from slack_sdk.signature import SignatureVerifier
from square.utils.webhooks_helper import verify_signature

PEER = urlsplit(sys.argv[1])
PROVIDERS = json.loads(Path(__file__).with_name("providers.json").read_text())

# Legitimate requests that the receiver refuses today. Once it accepts one, the check fails until
# the entry is removed.
KNOWN_GAPS = set()

# ------------------------------------------------------------------------------------- the SDKs


def standard(webhook, prefix):
    def sign(body, secret, id, time, url):
        at = datetime.fromtimestamp(time, timezone.utc)
        return {
            f"{prefix}-id": id,
            f"{prefix}-timestamp": str(time),
            f"{prefix}-signature": webhook(secret).sign(id, at, body),
        }

    def verify(body, headers, secret, url):
        webhook(secret).verify(body, headers)
        return True

    return {"by": "Webhook.sign", "sign": sign, "verify": verify}


def sign_stripe(body, secret, id, time, url):
    tag = stripe.WebhookSignature._compute_signature(f"{time}.{body}", secret)
    return {"stripe-signature": f"t={time},v1={tag}"}


def verify_stripe(body, headers, secret, url):
    event = stripe.Webhook.construct_event(body.encode(), headers.get("stripe-signature"), secret)
    return event.object == "event"


def sign_slack(body, secret, id, time, url):
    tag = SignatureVerifier(secret).generate_signature(timestamp=str(time), body=body)
    return {"x-slack-request-timestamp": str(time), "x-slack-signature": tag}


def verify_slack(body, headers, secret, url):
    return SignatureVerifier(secret).is_valid_request(body, headers)


def sign_square(body, secret, id, time, url):
    tag = hmac.new(secret.encode(), (url + body).encode(), hashlib.sha256).digest()
    return {"x-square-hmacsha256-signature": base64.b64encode(tag).decode()}


def verify_square(body, headers, secret, url):
    return verify_signature(
        request_body=body,
        signature_header=headers.get("x-square-hmacsha256-signature", ""),
        signature_key=secret,
        notification_url=url,
    )


def sign_paddle(body, secret, id, time, url):
    tag = PaddleSignature.calculate_hmac(secret, f"{time}:{body}".encode()).hexdigest()
    return {"paddle-signature": f"ts={time};h1={tag}"}


def verify_paddle(body, headers, secret, url):
    headers = {"Paddle-Signature": headers[name] for name in headers if name == "paddle-signature"}
    return Verifier().verify(SimpleNamespace(body=body.encode(), headers=headers), Secret(secret))


SDKS = [
    {"package": "svix", "provider": "svix", **standard(svix.Webhook, "svix")},
    {"package": "standardwebhooks", "provider": "standard-webhooks", **standard(standardwebhooks.Webhook, "webhook")},
    {
        "package": "stripe",
        "provider": "stripe",
        "by": "WebhookSignature._compute_signature",
        "sign": sign_stripe,
        "verify": verify_stripe,
    },
    {
        "package": "slack_sdk",
        "provider": "slack",
        "by": "SignatureVerifier.generate_signature",
        "sign": sign_slack,
        "verify": verify_slack,
    },
    {
        "package": "squareup",
        "provider": "square",
        "by": "hmac, by Square's documents",
        "sign": sign_square,
        "verify": verify_square,
    },
    {
        "package": "paddle-python-sdk",
        "provider": "paddle",
        "by": "PaddleSignature.calculate_hmac",
        "sign": sign_paddle,
        "verify": verify_paddle,
    },
]

# ----------------------------------------------------------------------------------- what is sent

ids = itertools.count(1)


def fresh():
    return f"pip{os.getpid()}x{next(ids)}"


def now():
    return int(time.time())


def event(provider, text="Pump 3 stops", at=None):
    """What a provider sends: its id and time, a body that tells of `text`, the headers that nobody signs."""
    id, at = fresh(), now() if at is None else at
    iso = datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    values = {"$id": id, "$text": text, "$iso": iso, "$seconds": at, "$millis": at * 1000}

    def fill(value):
        if isinstance(value, str):
            return values.get(value, value.replace("$id", id))
        if isinstance(value, list):
            return [fill(inner) for inner in value]
        if isinstance(value, dict):
            return {key: fill(inner) for key, inner in value.items()}
        return value

    return id, at, fill(PROVIDERS[provider]["event"]), fill(PROVIDERS[provider]["headers"])


WIDE = "Zoë: 水泵 3 steht 🚰👩🏽‍🔧 “jetzt” \u2028 <b>&amp;</b> / \\ \""


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# The same event, as different providers write it.
WRITINGS = {
    "compact ASCII": ("Pump 3 stops", compact),
    "non-ASCII and emoji": (WIDE, compact),
    "pretty-printed, newline at the end": (WIDE, lambda value: json.dumps(value, ensure_ascii=False, indent=4) + "\n"),
    "json.dumps as it is": (WIDE, json.dumps),
}

# -------------------------------------------------------------------------------------- the checks

checks = failures = 0


def check(sdk, what, run):
    global checks, failures
    checks += 1
    name = f"pip {sdk['package']} {version(sdk['package'])}: {what}"
    gap = f"{sdk['package']}: {what}" in KNOWN_GAPS
    try:
        wrong = run()
    except Exception:
        wrong = traceback.format_exc()
    if gap and wrong:
        print(f"gap   {name}: {wrong.strip().splitlines()[-1]}")
        return
    if gap:
        wrong = "is accepted now; expected it in KNOWN_GAPS no more"
    if wrong:
        failures += 1
        print(f"FAIL  {name}: {wrong}")
    else:
        print(f"ok    {name}")


def request(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(PEER.hostname, PEER.port, timeout=20)
    try:
        connection.request(method, path, body and body.encode(), {"content-type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def ask(method, path, value=None):
    status, text = request(method, path, value and json.dumps(value))
    assert status == 200, f"{path}: {status} {text}"
    return json.loads(text) if text else None


class Receiver:
    """A receiver of ours under a secret of its own."""

    def __init__(self, provider, secret):
        self.name = fresh()
        self.path = f"/webhooks/{self.name}"
        self.url = f"{PEER.geturl()}{self.path}"
        ask("POST", f"/receivers/{self.name}", {"provider": provider, "secret": secret})

    def post(self, body, headers):
        before = len(ask("GET", f"/receivers/{self.name}"))
        status, text = request("POST", self.path, body, headers)
        handled = ask("GET", f"/receivers/{self.name}")
        return status, text, len(handled) - before, handled[-1] if handled else None

    def must_run(self, body, headers, topic=None, payload=None):
        """What is wrong, if anything is: the handler must get these bytes, once for two copies."""
        status, text, runs, last = self.post(body, headers)
        if (status, runs) != (200, 1):
            return f"{status} {text}, {runs} runs; expected 200, 1 run"
        if last["body"] != body:
            return "the handler got other bytes"
        if topic and last["topic"] != topic:
            return f"the topic is {last['topic']}; expected {topic}"
        if payload is not None and last["payload"] != payload:
            return f"the payload is {last['payload']}; expected {payload}"
        status, text, runs, _ = self.post(body, headers)
        if (status, runs) != (200, 0):
            return f"a copy: {status} {text}, {runs} runs; expected 200, 0 runs"

    def must_not_run(self, body, headers):
        status, text, runs, _ = self.post(body, headers)
        if (status, runs) != (401, 0):
            return f"{status} {text}, {runs} runs; expected 401, 0 runs"


def other_tag(value):
    """With another first letter of the tag: its last one may stand for fewer bits than it has."""
    return re.sub(
        "([0-9a-f]{64}|[A-Za-z0-9+/]{43}=)$", lambda tag: ("2" if tag[0][0] == "1" else "1") + tag[0][1:], value
    )


def forgeries(provider, body, headers):
    """Of a request that is accepted as it is: a name, the body, the headers."""
    facts = PROVIDERS[provider]
    tag, id, signed_time = facts["tag"], facts.get("id"), facts.get("time")
    yield "a letter of the body changed", body.replace("Pump 3", "Pump 4"), headers
    yield "a space after the body", f"{body} ", headers
    yield "a letter of the tag changed", body, {**headers, tag: other_tag(headers[tag])}
    yield "no tag", body, {name: value for name, value in headers.items() if name != tag}
    if signed_time:
        name = signed_time["header"]
        later = re.sub(signed_time["digits"], lambda at: str(int(at[0]) + 1), headers[name], count=1)
        yield "another time", body, {**headers, name: later}
    if id:
        yield "another id", body, {**headers, id: f"{headers[id]}2"}


def signs_for_ours(sdk):
    facts = PROVIDERS[sdk["provider"]]
    receiver = Receiver(sdk["provider"], facts["secret"])

    def signed(text="Pump 3 stops", write=compact, at=None, secret=facts["secret"], url=receiver.url):
        id, at, value, unsigned = event(sdk["provider"], text, at)
        body = write(value)
        return body, {**unsigned, **sdk["sign"](body, secret, id, at, url)}, value

    def runs(text, write):
        body, headers, payload = signed(text, write)
        for key in facts["payload"]:
            payload = payload[key]
        return receiver.must_run(body, headers, facts["topic"], payload)

    for name, (text, write) in WRITINGS.items():
        check(sdk, f"signs for us, once for two copies: {name}", lambda: runs(text, write))
    check(sdk, "signs for us: half an emoji", lambda: receiver.must_run(*signed("Pump \ud83d", json.dumps)[:2]))
    for name, body, headers in forgeries(sdk["provider"], *signed()[:2]):
        check(sdk, f"we refuse: {name}", lambda: receiver.must_not_run(body, headers))

    def refuse(name, **given):
        check(sdk, f"we refuse: {name}", lambda: receiver.must_not_run(*signed(**given)[:2]))

    refuse("another secret", secret=facts["other_secret"])
    if sdk["provider"] == "square":
        refuse("another URL", url=f"{receiver.url}/")
    if window := facts.get("window"):
        # Paddle's retries may carry the time of the first attempt, so our window may be as long as
        # its retries.
        far = window + 60 if window >= 300 else 400 * 86_400
        refuse("signed too long ago", at=now() - far)
        refuse("signed in the future", at=now() + far)


def verifies_ours(sdk):
    facts = PROVIDERS[sdk["provider"]]
    window, here = facts.get("window"), "https://example.com/webhooks/square"

    def signed(text="Pump 3 stops", write=compact, at=None, secret=facts["secret"], url=here):
        id, at, value, unsigned = event(sdk["provider"], text, at)
        body = write(value)
        to_sign = {"secret": secret, "id": id, "time": at, "url": url, "body": body}
        return body, {**unsigned, **ask("POST", f"/sign/{sdk['provider']}", to_sign)}

    def must_accept(body, headers):
        if sdk["verify"](body, headers, facts["secret"], here) is not True:
            return "it refused; expected it to accept"

    def must_refuse(body, headers):
        try:
            accepted = sdk["verify"](body, headers, facts["secret"], here)
        except NameError:
            raise
        except Exception:
            return
        if accepted:
            return "it accepted; expected it to refuse"

    for name, (text, write) in WRITINGS.items():
        check(sdk, f"accepts ours: {name}", lambda: must_accept(*signed(text, write)))
    check(sdk, "accepts ours: half an emoji", lambda: must_accept(*signed("Pump \ud83d", json.dumps)))
    for name, body, headers in forgeries(sdk["provider"], *signed()):
        check(sdk, f"refuses ours: {name}", lambda: must_refuse(body, headers))

    def refuses(name, **given):
        check(sdk, f"refuses ours: {name}", lambda: must_refuse(*signed(**given)))

    refuses("another secret", secret=facts["other_secret"])
    if sdk["provider"] == "square":
        refuses("another URL", url=f"{here}/")
    if window:
        # The SDK's own window, from both sides; three seconds for a slow machine.
        check(sdk, f"accepts ours: {window} s old, but for 3 s", lambda: must_accept(*signed(at=now() - window + 3)))
        refuses(f"{window} s old, and 2 s more", at=now() - window - 2)


def rotation(sdk):
    """Signed with two secrets, one of which is ours."""
    between = {"svix": " ", "standard-webhooks": " ", "stripe": ",", "paddle": ";"}.get(sdk["provider"])
    if not between:
        return
    facts = PROVIDERS[sdk["provider"]]
    receiver = Receiver(sdk["provider"], facts["secret"])
    time_item = re.compile("^(t|ts)=[0-9]+[,;]")

    def signed(first, second):
        id, at, value, unsigned = event(sdk["provider"])
        body = compact(value)
        first, second = (sdk["sign"](body, secret, id, at, receiver.url) for secret in (first, second))
        tags = first[facts["tag"]] + between + time_item.sub("", second[facts["tag"]])
        return body, {**unsigned, **first, facts["tag"]: tags}

    secrets = facts["secret"], facts["other_secret"]
    check(sdk, "signs for us: both secrets' tags, ours first", lambda: receiver.must_run(*signed(*secrets)))
    check(sdk, "signs for us: both secrets' tags, ours second", lambda: receiver.must_run(*signed(*secrets[::-1])))
    if sdk["provider"] in ("svix", "standard-webhooks"):
        odd = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr"

        def odd_secret():
            receiver = Receiver(sdk["provider"], odd)
            id, at, value, _ = event(sdk["provider"])
            return receiver.must_run(compact(value), sdk["sign"](compact(value), odd, id, at, receiver.url))

        check(sdk, "signs for us: a secret whose last bits stand for nothing", odd_secret)


for sdk in SDKS:
    print(f"\n{sdk['package']} {version(sdk['package'])} signs by {sdk['by']}")
    signs_for_ours(sdk)
    rotation(sdk)
    verifies_ours(sdk)
print(f"\npip: {checks} checks, {failures} failed")
sys.exit(1 if failures or not checks else 0)
