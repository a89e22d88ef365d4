"""A client of the apistor contract that follows its advice: 429, 500 and 502 are tried again after 1, 2 and 4 seconds, what is the
client's own fault never, and what is logged is the code.

    TOLLGATE_URL=http://127.0.0.1:8080 TOLLGATE_KEY=sk_... python3 examples/clients/client.py "a cat"

Nothing but Python's own library.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

RETRIED = {429, 500, 502}
PAUSES = (1, 2, 4)
LONGEST = 30


class ApiError(Exception):
    """What the API has answered, in its own words."""

    def __init__(self, status, error, attempts):
        super().__init__(error.get("message", ""))
        self.status = status
        self.code = error.get("code", "")
        self.docs_url = error.get("docs_url")
        self.attempts = attempts


def post(url, key, body, unit=1.0):
    """Posts JSON until there is an answer, and returns that and the number of attempts. `unit` is how long a second of the pauses is."""
    # The same for all attempts: a request that was carried out is not carried out, or paid for, again.
    idempotency_key = str(uuid.uuid4())
    for attempt, pause in enumerate((*PAUSES, None), start=1):
        request = urllib.request.Request(
            url,
            data=json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {key}",
                "content-type": "application/json",
                "idempotency-key": idempotency_key,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer), attempt
        except urllib.error.HTTPError as failure:
            error = json.load(failure)["error"]
            print(f"attempt {attempt}: {failure.code} {error['code']}", file=sys.stderr)
            if failure.code not in RETRIED or pause is None:
                raise ApiError(failure.code, error, attempt) from failure
            # Whoever says when to come again is not asked before.
            said = failure.headers.get("retry-after", "")
            pause = max(pause, int(said) if said.isdigit() else 0)
        time.sleep(min(pause, LONGEST) * unit)
    raise AssertionError("the last attempt has an end")


def main():
    url = os.environ["TOLLGATE_URL"] + "/api/v1/images/nanobanana/generate"
    body = {"model": "nanobanano-2", "prompt": " ".join(sys.argv[1:]), "webHook": "-1"}
    unit = float(os.environ.get("SECOND", "1"))
    try:
        answer, attempts = post(url, os.environ["TOLLGATE_KEY"], body, unit)
    except ApiError as error:
        print(json.dumps({"status": error.status, "code": error.code, "attempts": error.attempts}))
        return 1
    print(json.dumps({"status": 200, "task": answer["data"]["id"], "attempts": attempts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
