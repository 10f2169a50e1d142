// The providers' official API clients from npm drive the sandbox, as they drive the providers.
//
// Usage: node sandbox.mjs SANDBOX_URL. `run` starts it beside the packages.

import { createHmac } from "node:crypto";
import { createServer } from "node:http";

import { Octokit } from "@octokit/rest";
import { verify } from "@octokit/webhooks-methods";
import dwolla from "dwolla-v2";
import Stripe from "stripe";

const [sandbox] = process.argv.slice(2);
const SECRET = "for-this-machine-only";

let checks = 0;
let failures = 0;
async function check(name, run) {
  checks += 1;
  try {
    await run();
    console.log(`ok    npm ${name}`);
  } catch (error) {
    failures += 1;
    console.log(`FAIL  npm ${name}: ${error.stack}`);
  }
}

function equal(found, expected, what) {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what} is ${left}; expected ${right}`);
}

/** What a call was refused with. */
async function refusal(call) {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error("it was accepted; expected a refusal");
}

async function post(path, value) {
  const response = await fetch(sandbox + path, { method: "POST", body: JSON.stringify(value) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** Makes events happen, and returns them when they have been sent. */
async function fire(provider, ...events) {
  const fired = [];
  for (const event of events) fired.push(await post(`/sandbox/${provider}/events`, event));
  await sent();
  return fired;
}

/** Returns when everything that is due has been sent. */
const sent = () => post("/sandbox/clock", { advance_seconds: 1 });

const servers = [];
/** A receiver that responds with `status`, and keeps what it got. */
async function receiver() {
  const self = { status: 200, got: [] };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    self.got.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(self.status).end();
  });
  servers.push(server);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  self.url = `http://127.0.0.1:${server.address().port}/`;
  return self;
}

const many = (count, event) => Array.from({ length: count }, () => event);

// ------------------------------------------------------------------------------------------ Dwolla

const client = new dwolla.Client({ key: "any key", secret: "any secret", environment: "sandbox" });
client.apiUrl = `${sandbox}/dwolla`;
client.tokenUrl = `${sandbox}/dwolla/token`;
const shop = await receiver();
let subscription;
let webhooks;

await check("dwolla-v2: a token, and a subscription that is made and read", async () => {
  const made = await client.post("webhook-subscriptions", { url: shop.url, secret: SECRET });
  equal(made.status, 201, "the status");
  subscription = made.headers.get("location");
  const { body } = await client.get(subscription);
  equal([body.url, body.paused, body.secret], [shop.url, false, undefined], "url, paused and secret");
  const { body: list } = await client.get("webhook-subscriptions");
  equal([list.total, list._embedded["webhook-subscriptions"][0].id], [1, body.id], "the list");
});

await check("dwolla-v2: a refused subscription is a ValidationError with paths", async () => {
  const { status, body } = await refusal(client.post("webhook-subscriptions", { url: "nowhere" }));
  equal([status, body.code], [400, "ValidationError"], "status and code");
  equal(body._embedded.errors.map(({ path }) => path).sort(), ["/secret", "/url"], "the paths");
});

await check("dwolla-v2: webhooks are listed page by page, each with its attempt", async () => {
  const fired = await fire("dwolla", ...many(23, { topic: "customer_created" }));
  webhooks = [];
  let pages = 0;
  for (let next = [`${subscription}/webhooks`, { limit: 10 }]; next; pages += 1) {
    const { body } = await client.get(...next);
    equal(body.total, 23, "the total");
    webhooks.push(...body._embedded.webhooks);
    next = body._links.next && [body._links.next.href];
  }
  equal(pages, 3, "the number of pages");
  const ids = (list) => [...new Set(list)].sort();
  equal(ids(webhooks.map(({ eventId }) => eventId)), ids(fired.map(({ id }) => id)), "the events");
  for (const { attempts } of webhooks) {
    const [{ request, response }] = attempts;
    equal(response.statusCode, 200, "the attempt's response");
    const tag = request.headers.find(({ name }) => name.toLowerCase() === "x-request-signature-sha-256").value;
    equal(tag, createHmac("sha256", SECRET).update(request.body).digest("hex"), "the recorded signature");
  }
});

await check("dwolla-v2: a webhook is read, and sent again with the same bytes", async () => {
  const { body: webhook } = await client.get(webhooks[0]);
  const before = shop.got.length;
  const made = await client.post(webhook._links.retry.href);
  equal(made.status, 201, "the status");
  await sent();
  equal(shop.got.length - before, 1, "the number of new deliveries");
  equal(shop.got.at(-1).body, webhook.attempts[0].request.body, "the body");
  const { body: retries } = await client.get(`webhooks/${webhook.id}/retries`);
  const location = made.headers.get("location");
  equal([retries.total, location.endsWith(retries._embedded.retries[0].id)], [1, true], "the retries");
});

await check("dwolla-v2: an event is read, and events are listed", async () => {
  const { body: event } = await client.get(webhooks[0]._links.event.href);
  equal([event.id, event.topic], [webhooks[0].eventId, "customer_created"], "the event");
  const { body: events } = await client.get("events", { limit: 5, offset: 20 });
  equal([events.total, events._embedded.events.length], [23, 3], "the last page");
});

await check("dwolla-v2: what falls into a pause is recorded, not sent, and sent when it is asked for", async () => {
  equal((await client.post(subscription, { paused: true })).body.paused, true, "paused");
  const before = shop.got.length;
  const [event] = await fire("dwolla", { topic: "customer_verified" });
  await client.post(subscription, { paused: false });
  await sent();
  equal(shop.got.length, before, "the number of deliveries");
  const { body } = await client.get(`${subscription}/webhooks`, { limit: 1 });
  const [webhook] = body._embedded.webhooks;
  equal([webhook.eventId, webhook.attempts], [event.id, []], "the webhook");
  await client.post(`webhooks/${webhook.id}/retries`);
  await sent();
  equal(JSON.parse(shop.got.at(-1).body).id, event.id, "what was delivered");
});

await check("dwolla-v2: a deleted subscription is not found", async () => {
  equal((await client.delete(subscription)).status, 200, "the status");
  const { status, body } = await refusal(client.get(subscription));
  equal([status, body.code], [404, "NotFound"], "status and code");
});

// ------------------------------------------------------------------------------------------ GitHub

// It would print each refusal, those that are expected too.
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const octokit = new Octokit({ auth: "any token", baseUrl: `${sandbox}/github`, log: quiet });
const forge = await receiver();
const of = { owner: "octocat", repo: "hello-world" };
const opened = { event: "issues", payload: { action: "opened", issue: { number: 1 }, repository: { full_name: "octocat/hello-world" } } };
let hook;
let deliveries;

await check("@octokit/rest: a webhook is made, and pinged", async () => {
  const config = { url: forge.url, secret: SECRET, content_type: "json" };
  const made = await octokit.rest.repos.createWebhook({ ...of, config, events: ["issues"] });
  equal(made.status, 201, "the status");
  hook = { ...of, hook_id: made.data.id };
  await sent();
  equal(forge.got.map(({ headers }) => headers["x-github-event"]), ["ping"], "what was delivered");
});

await check("@octokit/rest: deliveries are listed page by page", async () => {
  forge.status = 500;
  await fire("github", ...many(5, opened));
  const listed = octokit.rest.repos.listWebhookDeliveries;
  deliveries = await octokit.paginate(listed, { ...hook, per_page: 2 });
  const failed = deliveries.filter(({ event }) => event === "issues");
  equal([deliveries.length, failed.length], [6, 5], "the numbers");
  equal([...new Set(failed.map(({ status_code }) => status_code))], [500], "the statuses");
});

await check("@octokit/rest: a delivery is read, and its recorded request verifies", async () => {
  const { data } = await octokit.rest.repos.getWebhookDelivery({ ...hook, delivery_id: deliveries[0].id });
  equal(data.guid, deliveries[0].guid, "the guid");
  equal(data.request.payload, opened.payload, "the payload");
  const tag = data.request.headers["X-Hub-Signature-256"];
  equal(await verify(SECRET, JSON.stringify(data.request.payload), tag), true, "whether it verifies");
});

await check("@octokit/rest: a delivery is sent again under its guid", async () => {
  forge.status = 200;
  const before = forge.got.length;
  const asked = await octokit.rest.repos.redeliverWebhookDelivery({ ...hook, delivery_id: deliveries[0].id });
  equal(asked.status, 202, "the status");
  await sent();
  equal(forge.got.length - before, 1, "the number of new deliveries");
  equal(forge.got.at(-1).headers["x-github-delivery"], deliveries[0].guid, "the delivered guid");
  const { data } = await octokit.rest.repos.listWebhookDeliveries({ ...hook, per_page: 1 });
  const [{ guid, redelivery, status_code }] = data;
  equal([guid, redelivery, status_code], [deliveries[0].guid, true, 200], "the new delivery");
});

await check("@octokit/rest: what is not there is GitHub's 404", async () => {
  const error = await refusal(octokit.rest.repos.getWebhookDelivery({ ...hook, delivery_id: 1 }));
  equal([error.name, error.status], ["HttpError", 404], "name and status");
});

// ------------------------------------------------------------------------------------------ Stripe

const { hostname, port } = new URL(sandbox);
const stripe = new Stripe("sk_test_any", { protocol: "http", host: hostname, port, maxNetworkRetries: 0, telemetry: false });
const till = await receiver();
let paid;

await check("stripe: an endpoint is made, and what it gets verifies with its secret", async () => {
  const endpoint = await stripe.webhookEndpoints.create({ url: till.url, enabled_events: ["*"] });
  paid = await fire("stripe", ...many(23, { type: "invoice.paid" }));
  equal(till.got.length, 23, "the number of deliveries");
  const { headers, body } = till.got[0];
  const event = Stripe.webhooks.constructEvent(body, headers["stripe-signature"], endpoint.secret);
  equal(event.type, "invoice.paid", "the type");
});

await check("stripe: events are listed by themselves, page by page", async () => {
  const events = await stripe.events.list({ limit: 10 }).autoPagingToArray({ limit: 100 });
  const ids = (list) => list.map(({ id }) => id).sort();
  equal(ids(events), ids(paid), "the events");
});

await check("stripe: events are listed by type, time and delivery", async () => {
  till.status = 500;
  const [failed] = await fire("stripe", { type: "charge.failed" });
  const list = async (filter) => (await stripe.events.list({ limit: 100, ...filter })).data.map(({ id }) => id);
  equal(await list({ types: ["charge.failed"] }), [failed.id], "those of a type");
  equal(await list({ delivery_success: false }), [failed.id], "those that were not delivered");
  equal((await list({ created: { gte: failed.created - 3600 } })).length, 24, "the number of those since");
  equal(await list({ created: { lt: failed.created - 3600 } }), [], "those before");
});

await check("stripe: an event is read, and what is not there is its own error", async () => {
  equal((await stripe.events.retrieve(paid[0].id)).type, "invoice.paid", "the type");
  const error = await refusal(stripe.events.retrieve("evt_none"));
  equal([error.type, error.code, error.statusCode], ["StripeInvalidRequestError", "resource_missing", 404], "the error");
});

for (const server of servers) {
  server.closeAllConnections();
  server.close();
}
console.log(`\nnpm, over the sandbox: ${checks} checks, ${failures} failed`);
process.exitCode = failures || checks === 0 ? 1 : 0;
