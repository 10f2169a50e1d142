# A Flask app that verifies as guides show it for Python: request.get_data() and compare_digest.
import hashlib
import hmac
import os
import sys

from flask import Flask, abort, request

app = Flask(__name__)
secret = os.environ["CHECKED_SECRET"]
runs = 0


@app.get("/count")
def count():
    return str(runs)


@app.post("/hooks")
def hooks():
    global runs
    signature = request.headers.get("X-Webhook-Signature", "")
    expected = "sha256=" + hmac.new(secret.encode(), request.get_data(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, expected):
        abort(401)
    event = request.get_json()
    if event["type"] == "user.created":
        runs += 1
    return "", 200


app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
