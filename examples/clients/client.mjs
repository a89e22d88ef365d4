// A client of the apistor contract that follows its advice: 429, 500 and 502 are tried again after 1, 2 and 4 seconds, what is the
// client's own fault never, and what is logged is the code.
//
//     TOLLGATE_URL=http://127.0.0.1:8080 TOLLGATE_KEY=sk_... node examples/clients/client.mjs "a cat"
//
// Nothing but what Node.js brings.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const RETRIED = new Set([429, 500, 502]);
const PAUSES = [1, 2, 4];
const LONGEST = 30;

/** What the API has answered, in its own words. */
export class ApiError extends Error {
  constructor(status, error, attempts) {
    super(error.message);
    Object.assign(this, { status, code: error.code, docsUrl: error.docs_url, attempts });
  }
}

/** Posts JSON until there is an answer. `unit` is how many milliseconds a second of the pauses has. */
export async function post(url, key, body, unit = 1000) {
  // The same for all attempts: a request that was carried out is not carried out, or paid for, again.
  const headers = {
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    "idempotency-key": randomUUID(),
  };
  for (let attempt = 1; ; attempt += 1) {
    const answer = await fetch(url, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(120_000),
    });
    if (answer.ok) return { answer: await answer.json(), attempts: attempt };
    const { error } = await answer.json();
    console.error(`attempt ${attempt}: ${answer.status} ${error.code}`);
    if (!RETRIED.has(answer.status) || attempt > PAUSES.length) {
      throw new ApiError(answer.status, error, attempt);
    }
    // Whoever says when to come again is not asked before.
    const said = Number.parseInt(answer.headers.get("retry-after") ?? "0", 10) || 0;
    await sleep(Math.min(Math.max(PAUSES[attempt - 1], said), LONGEST) * unit);
  }
}

const url = `${process.env.TOLLGATE_URL}/api/v1/images/nanobanana/generate`;
const body = { model: "nanobanano-2", prompt: process.argv.slice(2).join(" "), webHook: "-1" };
const unit = Number(process.env.SECOND ?? "1") * 1000;
try {
  const { answer, attempts } = await post(url, process.env.TOLLGATE_KEY, body, unit);
  console.log(JSON.stringify({ status: 200, task: answer.data.id, attempts }));
} catch (error) {
  if (!(error instanceof ApiError)) throw error;
  console.log(JSON.stringify({ status: error.status, code: error.code, attempts: error.attempts }));
  process.exitCode = 1;
}
