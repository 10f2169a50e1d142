// The npm SDKs: what each signs for our receiver, and accepts of what ours signs.
//
// Usage: node sdks.mjs PEER_URL. `run` starts it beside the packages.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";

import { LinearWebhookClient } from "@linear/sdk/webhooks";
import * as octokit from "@octokit/webhooks-methods";
import { Paddle } from "@paddle/paddle-node-sdk";
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, LogSeverity, shopifyApi } from "@shopify/shopify-api";
import { HashFormat, createSHA256HMAC } from "@shopify/shopify-api/runtime";
import bolt from "@slack/bolt";
import { WebhooksHelper } from "square";
import * as standardwebhooks from "standardwebhooks";
import Stripe from "stripe";
import * as svix from "svix";

const [peer] = process.argv.slice(2);
const providers = JSON.parse(readFileSync(new URL("providers.json", import.meta.url)));

// Legitimate requests that the receiver refuses today. Once it accepts one, the check fails until
// the entry is removed.
const KNOWN_GAPS = new Set([]);

const now = () => Math.floor(Date.now() / 1000);
const hmac = (secret, text, encoding) => createHmac("sha256", secret).update(text).digest(encoding);

/** A server on a free port of 127.0.0.1, closed at the end. */
const servers = [];
async function serve(listener) {
  const server = createServer(listener);
  servers.push(server);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}/`;
}

/**
 * The server that `start` makes for a secret, as a function that says whether it accepts a request.
 */
function overHttp(start) {
  const started = new Map();
  return async ({ body, headers, secret }) => {
    if (!started.has(secret)) started.set(secret, start(secret));
    const response = await fetch(await started.get(secret), {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
    const text = await response.text();
    if (response.status >= 500) throw new Error(`${response.status} ${text}`);
    return response.ok;
  };
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

// Of each SDK: what signs (`by`), how it signs, and how it verifies. `verify` returns false or
// throws where the SDK refuses.
const standard = (Webhook, prefix) => ({
  by: "Webhook.sign",
  sign: ({ body, secret, id, time }) => ({
    [`${prefix}-id`]: id,
    [`${prefix}-timestamp`]: String(time),
    [`${prefix}-signature`]: new Webhook(secret).sign(id, new Date(time * 1000), body),
  }),
  verify: ({ body, headers, secret }) => new Webhook(secret).verify(body, headers) !== undefined,
});
const signSlack = ({ body, secret, time }) => ({
  "x-slack-request-timestamp": String(time),
  "x-slack-signature": `v0=${hmac(secret, `v0:${time}:${body}`, "hex")}`,
});
const sdks = [
  { package: "svix", provider: "svix", ...standard(svix.Webhook, "svix") },
  { package: "standardwebhooks", provider: "standard-webhooks", ...standard(standardwebhooks.Webhook, "webhook") },
  {
    package: "stripe",
    provider: "stripe",
    by: "webhooks.generateTestHeaderString",
    sign: ({ body, secret, time }) => ({
      "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: time }),
    }),
    verify: ({ body, headers, secret }) =>
      Stripe.webhooks.constructEvent(body, headers["stripe-signature"], secret).object === "event",
  },
  {
    package: "@octokit/webhooks-methods",
    provider: "github",
    by: "sign",
    sign: async ({ body, secret }) => ({ "x-hub-signature-256": await octokit.sign(secret, body) }),
    verify: ({ body, headers, secret }) => octokit.verify(secret, body, headers["x-hub-signature-256"]),
  },
  {
    package: "@slack/bolt",
    provider: "slack",
    part: "verifySlackRequest",
    by: "node:crypto, by Slack's documents",
    sign: signSlack,
    verify: ({ body, headers, secret }) => {
      bolt.verifySlackRequest({ body, headers, signingSecret: secret });
      return true;
    },
  },
  {
    package: "@slack/bolt",
    provider: "slack",
    part: "HTTPReceiver",
    verify: overHttp((signingSecret) => {
      const receiver = new bolt.HTTPReceiver({ signingSecret, endpoints: ["/"], logLevel: bolt.LogLevel.ERROR });
      receiver.init({ processEvent: ({ ack }) => ack() });
      return serve(receiver.requestListener);
    }),
  },
  {
    package: "@shopify/shopify-api",
    provider: "shopify",
    by: "createSHA256HMAC",
    sign: async ({ body, secret }) => ({
      "x-shopify-hmac-sha256": await createSHA256HMAC(secret, body, HashFormat.Base64),
    }),
    verify: overHttp((apiSecretKey) => {
      const shopify = shopifyApi({
        apiKey: "key",
        apiSecretKey,
        apiVersion: ApiVersion.January26,
        hostName: "127.0.0.1",
        isEmbeddedApp: false,
        logger: { level: LogSeverity.Error },
      });
      return serve(async (request, response) => {
        const rawBody = await bodyOf(request);
        const { valid, ...why } = await shopify.webhooks.validate({ rawBody, rawRequest: request, rawResponse: response });
        response.writeHead(valid ? 200 : 401).end(JSON.stringify(why));
      });
    }),
  },
  {
    package: "square",
    provider: "square",
    by: "node:crypto, by Square's documents",
    sign: ({ body, secret, url }) => ({ "x-square-hmacsha256-signature": hmac(secret, url + body, "base64") }),
    verify: ({ body, headers, secret, url }) =>
      WebhooksHelper.verifySignature({
        requestBody: body,
        signatureHeader: headers["x-square-hmacsha256-signature"],
        signatureKey: secret,
        notificationUrl: url,
      }),
  },
  {
    package: "@paddle/paddle-node-sdk",
    provider: "paddle",
    by: "node:crypto, by Paddle's documents",
    sign: ({ body, secret, time }) => ({
      "paddle-signature": `ts=${time};h1=${hmac(secret, `${time}:${body}`, "hex")}`,
    }),
    verify: async ({ body, headers, secret }) => {
      const event = await new Paddle("key").webhooks.unmarshal(body, secret, headers["paddle-signature"]);
      return event.eventType === "customer.created";
    },
  },
  {
    package: "@linear/sdk",
    provider: "linear",
    part: "LinearWebhookClient.verify",
    by: "node:crypto, by Linear's documents",
    sign: ({ body, secret }) => ({ "linear-signature": hmac(secret, body, "hex") }),
    verify: ({ body, headers, secret }) =>
      new LinearWebhookClient(secret).verify(Buffer.from(body), headers["linear-signature"]),
  },
  {
    package: "@linear/sdk",
    provider: "linear",
    part: "LinearWebhookClient.createHandler",
    verify: overHttp((secret) => serve(new LinearWebhookClient(secret).createHandler())),
  },
];

/** What a provider sends: a body that tells of `text`, and the headers that nobody signs. */
function event(provider, { text = "Pump 3 stops", id = fresh(), time = now(), of = providers[provider].event } = {}) {
  const values = {
    $id: id,
    $text: text,
    $iso: new Date(time * 1000).toISOString(),
    $seconds: time,
    $millis: time * 1000,
  };
  const fill = (value) => {
    if (typeof value === "string") return values[value] ?? value.replace("$id", id);
    if (Array.isArray(value)) return value.map(fill);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner)]));
  };
  return { id, time, value: fill(of), headers: fill(providers[provider].headers) };
}

let ids = 0;
const fresh = () => `npm${process.pid}x${++ids}`;

// The same event, as different providers write it.
const WIDE = "Zoë: 水泵 3 steht 🚰👩🏽‍🔧 “jetzt” \u2028 <b>&amp;</b> / \\ \"";
const writings = {
  "compact ASCII": ["Pump 3 stops", (value) => JSON.stringify(value)],
  "non-ASCII and emoji": [WIDE, (value) => JSON.stringify(value)],
  "pretty-printed, newline at the end": [WIDE, (value) => `${JSON.stringify(value, null, 2)}\n`],
  "pretty-printed, CRLF": [WIDE, (value) => JSON.stringify(value, null, "\t").replaceAll("\n", "\r\n")],
  "escaped to ASCII": [
    WIDE,
    (value) =>
      JSON.stringify(value).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  ],
};

// ------------------------------------------------------------------------------------- the checks

let checks = 0;
let failures = 0;
async function check(sdk, what, run) {
  checks += 1;
  const name = `npm ${sdk.package} ${sdk.version}${sdk.part ? ` ${sdk.part}` : ""}: ${what}`;
  const gap = KNOWN_GAPS.has(`${sdk.package}: ${what}`);
  let wrong;
  try {
    wrong = await run();
  } catch (error) {
    wrong = error.stack;
  }
  if (gap && wrong) return console.log(`gap   ${name}: ${wrong}`);
  if (gap) wrong = "is accepted now; expected it in KNOWN_GAPS no more";
  if (!wrong) return console.log(`ok    ${name}`);
  failures += 1;
  console.log(`FAIL  ${name}: ${wrong}`);
}

async function ask(path, value) {
  const response = await fetch(peer + path, {
    method: value ? "POST" : "GET",
    headers: { "content-type": "application/json" },
    body: value && JSON.stringify(value),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text && JSON.parse(text);
}

/** A receiver of ours under a secret of its own. */
async function receiver(provider, secret) {
  const name = fresh();
  await ask(`/receivers/${name}`, { provider, secret });
  const url = `${peer}/webhooks/${name}`;
  const handled = () => ask(`/receivers/${name}`);
  const post = async (body, headers) => {
    const before = (await handled()).length;
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json", ...headers }, body });
    const text = await response.text();
    const after = await handled();
    return { status: response.status, text, runs: after.length - before, last: after.at(-1) };
  };
  /**
   * What is wrong, if anything is, about a request that must run the handler: with these bytes,
   * once for two copies.
   */
  const mustRun = async (body, headers, topic, payload) => {
    const first = await post(body, headers);
    if (first.status !== 200 || first.runs !== 1) return `${first.status} ${first.text}, ${first.runs} runs; expected 200, 1 run`;
    if (first.last.body !== body) return "the handler got other bytes";
    if (topic && first.last.topic !== topic) return `the topic is ${first.last.topic}; expected ${topic}`;
    if (payload && !isDeepStrictEqual(first.last.payload, payload)) {
      return `the payload is ${JSON.stringify(first.last.payload)}; expected ${JSON.stringify(payload)}`;
    }
    const copy = await post(body, headers);
    if (copy.status !== 200 || copy.runs !== 0) return `a copy: ${copy.status} ${copy.text}, ${copy.runs} runs; expected 200, 0 runs`;
  };
  const mustNotRun = async (body, headers, status) => {
    const { status: got, text, runs } = await post(body, headers);
    if (got !== status || runs !== 0) return `${got} ${text}, ${runs} runs; expected ${status}, 0 runs`;
  };
  return { url, post, mustRun, mustNotRun };
}

/**
 * The value with a changed first letter of the tag: its last one may stand for fewer bits than it
 * has.
 */
const otherTag = (value) => value.replace(/([0-9a-f]{64}|[A-Za-z0-9+/]{43}=)$/, (tag) => (tag[0] === "1" ? "2" : "1") + tag.slice(1));
const otherTime = (headers, { header, digits }) => ({
  ...headers,
  [header]: headers[header].replace(new RegExp(digits), (time) => String(Number(time) + 1)),
});

/** Forgeries of a request that is accepted as it is: a name, the body, the headers. */
function* forgeries(provider, body, headers) {
  const { tag, id, time } = providers[provider];
  yield ["a letter of the body changed", body.replace("Pump 3", "Pump 4"), headers];
  yield ["a space after the body", `${body} `, headers];
  yield ["a letter of the tag changed", body, { ...headers, [tag]: otherTag(headers[tag]) }];
  const { [tag]: _, ...untagged } = headers;
  yield ["no tag", body, untagged];
  if (time) yield ["another time", body, otherTime(headers, time)];
  if (id) yield ["another id", body, { ...headers, [id]: `${headers[id]}2` }];
}

async function signsForOurs(sdk) {
  const { secret, other_secret, window, topic, payload } = providers[sdk.provider];
  const { url, mustRun, mustNotRun } = await receiver(sdk.provider, secret);
  const signed = async (given, with_ = {}) => {
    const made = event(sdk.provider, given);
    const [body, at] = [(given.write ?? JSON.stringify)(made.value), { secret, url, ...with_ }];
    return [body, { ...made.headers, ...(await sdk.sign({ body, id: made.id, time: made.time, ...at })) }, made.value];
  };
  for (const [name, [text, write]] of Object.entries(writings)) {
    await check(sdk, `signs for us, once for two copies: ${name}`, async () => {
      const [body, headers, value] = await signed({ text, write });
      return mustRun(body, headers, topic, payload.reduce((inner, key) => inner[key], value));
    });
  }
  for (const [name, body, headers] of forgeries(sdk.provider, ...(await signed({})))) {
    await check(sdk, `we refuse: ${name}`, () => mustNotRun(body, headers, 401));
  }
  const refuse = (name, ...given) =>
    check(sdk, `we refuse: ${name}`, async () => {
      const [body, headers] = await signed(...given);
      return mustNotRun(body, headers, 401);
    });
  await refuse("another secret", {}, { secret: other_secret });
  if (sdk.provider === "square") await refuse("another URL", {}, { url: `${url}/` });
  if (window) {
    // Paddle's and Linear's retries may carry the time of the first attempt, so our window may be
    // as long as their retries.
    const far = window < 300 ? 400 * 86_400 : window + 60;
    await refuse("signed too long ago", { time: now() - far });
    await refuse("signed in the future", { time: now() + far });
  }
}

async function verifiesOurs(sdk) {
  const { secret, other_secret, window } = providers[sdk.provider];
  const url = "https://example.com/webhooks/square";
  const signed = async (given, with_ = {}) => {
    const made = event(sdk.provider, given);
    const body = (given.write ?? JSON.stringify)(made.value);
    const headers = await ask(`/sign/${sdk.provider}`, { secret, id: made.id, time: made.time, url, body, ...with_ });
    return [body, { ...made.headers, ...headers }];
  };
  const mustAccept = async (body, headers) => {
    if ((await sdk.verify({ body, headers, secret, url })) !== true) return "it refused; expected it to accept";
  };
  const mustRefuse = async (body, headers) => {
    let accepted = false;
    try {
      accepted = await sdk.verify({ body, headers, secret, url });
    } catch (error) {
      if (error instanceof ReferenceError) throw error;
    }
    if (accepted) return "it accepted; expected it to refuse";
  };
  for (const [name, [text, write]] of Object.entries(writings)) {
    await check(sdk, `accepts ours: ${name}`, async () => mustAccept(...(await signed({ text, write }))));
  }
  await check(sdk, "accepts ours: half an emoji", async () => mustAccept(...(await signed({ text: "Pump \ud83d" }))));
  for (const [name, body, headers] of forgeries(sdk.provider, ...(await signed({})))) {
    await check(sdk, `refuses ours: ${name}`, () => mustRefuse(body, headers));
  }
  const refuses = (name, ...given) => check(sdk, `refuses ours: ${name}`, async () => mustRefuse(...(await signed(...given))));
  await refuses("another secret", {}, { secret: other_secret });
  if (sdk.provider === "square") await refuses("another URL", {}, { url: `${url}/` });
  if (window) {
    // The SDK's own window, from both sides; three seconds for a slow machine.
    await check(sdk, `accepts ours: ${window} s old, but for 3 s`, async () =>
      mustAccept(...(await signed({ time: now() - window + 3 }))),
    );
    await refuses(`${window} s old, and 2 s more`, { time: now() - window - 2 });
  }
}

// ---------------------------------------------------- what only some providers or SDKs can send

async function others(sdk) {
  const { secret, other_secret } = providers[sdk.provider];
  const { url, post, mustRun, mustNotRun } = await receiver(sdk.provider, secret);
  const sign = (body, { id = fresh(), time = now(), secret: with_ = secret } = {}) =>
    sdk.sign({ body, id, time, url, secret: with_ });
  const runs = (what, topic, make) =>
    check(sdk, `signs for us: ${what}`, async () => {
      const [body, headers, payload] = await make();
      return mustRun(body, headers, topic, payload);
    });
  const usual = (given) => event(sdk.provider, given);
  // `JSON.stringify` writes half an emoji as an escape; the handler must be able to read the
  // payload.
  await runs("half an emoji", undefined, async () => {
    const { id, value, headers } = usual({ text: "Pump \ud83d" });
    const body = JSON.stringify(value);
    return [body, { ...headers, ...(await sign(body, { id })) }];
  });

  const rolled = async (join) => {
    const { id, time, value } = usual();
    const body = JSON.stringify(value);
    const [ours, theirs] = [await sign(body, { id, time }), await sign(body, { id, time, secret: other_secret })];
    const { tag } = providers[sdk.provider];
    return [[body, { ...ours, [tag]: join(theirs[tag], ours[tag]) }], [body, { ...ours, [tag]: join(ours[tag], theirs[tag]) }]];
  };
  const rotates = async (join) => {
    await runs("both secrets' tags, ours second", undefined, async () => (await rolled(join))[0]);
    await runs("both secrets' tags, ours first", undefined, async () => (await rolled(join))[1]);
  };

  switch (sdk.provider) {
    case "svix":
    case "standard-webhooks": {
      await rotates((first, second) => `${first} ${second}`);
      for (const [what, value] of [
        ["a body without type", { event_type: "a", event_id: "e" }],
        ["a body that is an array", [{ type: "user.created" }, { type: "user.updated" }]],
      ]) {
        await runs(what, undefined, async () => {
          const body = JSON.stringify(value);
          return [body, await sign(body)];
        });
      }
      if (sdk.provider === "svix") {
        await runs("headers webhook-…", "user.created", async () => {
          const body = JSON.stringify(usual().value);
          const headers = Object.entries(await sign(body));
          return [body, Object.fromEntries(headers.map(([name, value]) => [name.replace("svix", "webhook"), value]))];
        });
      }
      const secrets = {
        "without whsec_": secret.replace("whsec_", ""),
        "whose last bits stand for nothing": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr",
        "of 64 bytes": `whsec_${Buffer.alloc(64, "k").toString("base64")}`,
      };
      for (const [what, odd] of Object.entries(secrets)) {
        await check(sdk, `signs for us: a secret ${what}`, async () => {
          const { mustRun } = await receiver(sdk.provider, odd);
          const body = JSON.stringify(usual().value);
          return mustRun(body, await sign(body, { secret: odd }));
        });
      }
      break;
    }
    case "stripe":
      await rotates((first, second) => `${first},${second.replace(/^t=\d+,/, "")}`);
      await runs("a tag v0 beside v1", undefined, async () => {
        const body = JSON.stringify(usual().value);
        const [header] = Object.values(await sign(body));
        return [body, { "stripe-signature": `${header},v0=${"0".repeat(64)}` }];
      });
      await runs("a thin event, which the SDK reads with parseEventNotification", "v1.billing.meter.error_report_triggered", async () => {
        const body = JSON.stringify({
          id: fresh(),
          object: "v2.core.event",
          type: "v1.billing.meter.error_report_triggered",
          created: new Date().toISOString(),
          livemode: false,
          related_object: { id: "mtr_1", type: "billing.meter", url: "/v1/billing/meters/mtr_1" },
        });
        const headers = await sign(body);
        new Stripe("sk_test_1").parseEventNotification(body, headers["stripe-signature"], secret);
        return [body, headers];
      });
      break;
    case "github":
      await check(sdk, "signs for us: ping, which we answer", async () => {
        const body = JSON.stringify({ zen: "Keep it logically awesome. 🧘", hook_id: 1, hook: { type: "Repository" } });
        return mustNotRun(body, { "x-github-event": "ping", "x-github-delivery": fresh(), ...(await sign(body)) }, 200);
      });
      await runs("content type application/x-www-form-urlencoded", "issues.opened", async () => {
        const { value, headers } = usual({ text: WIDE });
        const body = new URLSearchParams({ payload: JSON.stringify(value) }).toString();
        return [body, { ...headers, "content-type": "application/x-www-form-urlencoded", ...(await sign(body)) }];
      });
      break;
    case "slack": {
      await check(sdk, "signs for us: url_verification, which we answer with its challenge", async () => {
        const challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
        const body = JSON.stringify({ token: "Jhj5dZrVaK7ZwHHjRyZWjbDl", challenge, type: "url_verification" });
        const { status, text, runs } = await post(body, await sign(body));
        if (status !== 200 || text !== challenge || runs !== 0) return `${status} ${text}, ${runs} runs`;
      });
      await runs("app_rate_limited", "app_rate_limited", async () => {
        const body = JSON.stringify({
          token: "Jhj5dZrVaK7ZwHHjRyZWjbDl",
          type: "app_rate_limited",
          team_id: "T123456",
          minute_rate_limited: now(),
          api_app_id: "A123456",
        });
        return [body, await sign(body)];
      });
      const form = async (fields) => {
        const body = new URLSearchParams(fields).toString();
        return [body, { "content-type": "application/x-www-form-urlencoded", ...(await sign(body)) }];
      };
      await runs("a slash command", undefined, () =>
        form({ token: "t", team_id: "T1", user_id: "U1", command: "/deploy", text: WIDE, api_app_id: "A1", trigger_id: fresh() }),
      );
      await runs("an interaction", undefined, () =>
        form({ payload: JSON.stringify({ type: "block_actions", api_app_id: "A1", trigger_id: fresh(), actions: [{ value: WIDE }] }) }),
      );
      break;
    }
    case "shopify":
      await runs("the newer headers Shopify-…, which the SDK validates too", undefined, async () => {
        const { value, headers } = usual();
        const body = JSON.stringify(value);
        const all = Object.entries({ ...headers, ...(await sign(body)) });
        const newer = Object.fromEntries(all.map(([name, text]) => [name.replace(/^x-/, ""), text]));
        newer["shopify-action"] = "create";
        if (!(await sdk.verify({ body, headers: newer, secret }))) throw new Error("the SDK refused it");
        return [body, newer];
      });
      break;
    case "paddle":
      await rotates((first, second) => `${first};${second.replace(/^ts=\d+;/, "")}`);
      break;
    case "linear":
      for (const [type, action, rest] of [
        ["AppUserNotification", "issueMention", { notification: { id: "n1", type: "issueMention" } }],
        ["AgentSessionEvent", "created", { agentSession: { id: "s1" }, promptContext: WIDE }],
        ["OAuthApp", "revoked", { oauthClientId: "c1" }],
      ]) {
        await runs(`${type}, whose payload is not in data`, `${type}.${action}`, async () => {
          const body = JSON.stringify({
            type,
            action,
            createdAt: new Date().toISOString(),
            organizationId: "o1",
            webhookTimestamp: Date.now(),
            webhookId: fresh(),
            ...rest,
          });
          const headers = { "linear-event": type, "linear-delivery": fresh(), ...(await sign(body)) };
          return [body, headers, rest.notification ?? rest.agentSession];
        });
      }
      break;
  }
}

const require = createRequire(import.meta.url);
/** The version of a package, which need not export its package.json. */
function version(name) {
  for (const folder of require.resolve.paths(name)) {
    try {
      return JSON.parse(readFileSync(`${folder}/${name}/package.json`)).version;
    } catch {}
  }
}

for (const sdk of sdks) {
  sdk.version = version(sdk.package);
  if (sdk.sign) {
    console.log(`\n${sdk.package} ${sdk.version} signs by ${sdk.by}`);
    await signsForOurs(sdk);
    await others(sdk);
  }
  await verifiesOurs(sdk);
}
for (const server of servers) {
  server.closeAllConnections();
  server.close();
}
console.log(`\nnpm: ${checks} checks, ${failures} failed`);
process.exitCode = failures || checks === 0 ? 1 : 0;
