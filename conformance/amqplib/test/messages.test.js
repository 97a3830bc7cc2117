// What becomes of a message between publish and acknowledgement.

const assert = require("node:assert/strict");
const { once } = require("node:events");
const { test } = require("node:test");
const { channel, confirmChannel, connect, queue, take } = require("../broker");

test("a message arrives with its body, properties and headers", async (t) => {
  const on = await channel(t);
  const name = await queue(on);
  const headers = {
    text: "täxt", int: 7, negative: -7, big: 2 ** 40, double: 1.5, yes: true, no: false, nothing: null,
    list: ["a", 1, [true]], table: { inner: { deep: "x" } }, bytes: Buffer.from([0, 255]),
    time: { "!": "timestamp", value: 1700000000 }, float: { "!": "float", value: 0.5 },
    short: { "!": "short", value: -300 }, byte: { "!": "byte", value: -3 },
    decimal: { "!": "decimal", value: { digits: 12345, places: 2 } },
  };
  const properties = {
    contentType: "text/x", contentEncoding: "none", deliveryMode: 2, priority: 3, correlationId: "c", replyTo: "r",
    expiration: "60000", messageId: "m", timestamp: 1700000000, type: "t", userId: "guest", appId: "a",
  };
  on.sendToQueue(name, Buffer.from([0, 1, 255]), { ...properties, headers });
  const [message] = await take(on, name, 1);
  assert.deepEqual(message.content, Buffer.from([0, 1, 255]));
  for (const [key, value] of Object.entries(properties)) assert.equal(message.properties[key], value, key);
  const received = message.properties.headers;
  for (const key of ["text", "int", "negative", "big", "double", "yes", "no", "nothing", "list", "table", "bytes"])
    assert.deepEqual(received[key], headers[key], key);
  assert.equal(received.time.value, 1700000000);
  assert.equal(received.short, -300);
  assert.equal(received.byte, -3);
  assert.deepEqual(received.decimal, headers.decimal);
});

test("bodies of every size around a frame arrive whole", async (t) => {
  const connection = await connect(t, { frameMax: 8192 });
  const on = await connection.createChannel();
  const name = await queue(on);
  const sizes = [0, 1, 8183, 8184, 8185, 16368, 16369, 100_000, 3_000_000];
  for (const size of sizes) on.sendToQueue(name, Buffer.alloc(size, size % 251));
  const messages = await take(on, name, sizes.length);
  assert.deepEqual(messages.map((message) => message.content.length), sizes);
  for (const { content } of messages) assert.ok(content.every((byte) => byte === content.length % 251));
});

test("ten thousand messages keep their order", async (t) => {
  const on = await confirmChannel(t);
  const name = await queue(on);
  const taken = take(on, name, 10_000);
  for (let number = 0; number < 10_000; number++) {
    if (!on.sendToQueue(name, Buffer.from(String(number)))) await once(on, "drain");
  }
  const bodies = (await taken).map((message) => Number(message.content.toString()));
  assert.deepEqual(bodies, bodies.slice().sort((left, right) => left - right));
});

test("every message of a confirm channel is confirmed", async (t) => {
  const on = await confirmChannel(t);
  const name = await queue(on, { durable: true });
  let confirmed = 0;
  for (let number = 0; number < 1000; number++)
    on.sendToQueue(name, Buffer.from("x"), { persistent: true }, (error) => (confirmed += error ? 0 : 1));
  await on.waitForConfirms();
  assert.equal(confirmed, 1000);
  assert.equal((await on.checkQueue(name)).messageCount, 1000);
});

test("a mandatory message without a queue is returned before it is confirmed", async (t) => {
  const on = await confirmChannel(t);
  const events = [];
  on.on("return", (message) => events.push([message.fields.replyCode, message.fields.replyText, message.content.toString()]));
  await new Promise((resolve, reject) =>
    on.publish("", "no.such.queue", Buffer.from("stray"), { mandatory: true }, (error) => (error ? reject(error) : resolve())),
  );
  assert.deepEqual(events, [[312, "NO_ROUTE", "stray"]]);
});

test("a publish that a full queue refuses is not confirmed", async (t) => {
  const on = await confirmChannel(t);
  const name = await queue(on, { arguments: { "x-max-length": 1, "x-overflow": "reject-publish" } });
  const publish = () =>
    new Promise((resolve) => on.sendToQueue(name, Buffer.from("x"), {}, (error) => resolve(error === null)));
  assert.deepEqual([await publish(), await publish()], [true, false]);
});

test("get takes one message and says how many are left, or that there is none", async (t) => {
  const on = await channel(t);
  const name = await queue(on);
  assert.equal(await on.get(name), false);
  on.sendToQueue(name, Buffer.from("1"));
  on.sendToQueue(name, Buffer.from("2"));
  const first = await on.get(name);
  assert.equal(first.content.toString(), "1");
  assert.equal(first.fields.messageCount, 1);
  on.ack(first);
});

test("a rejected message comes back marked, and goes when it is not requeued", async (t) => {
  const on = await channel(t);
  const name = await queue(on);
  on.sendToQueue(name, Buffer.from("x"));
  const first = await on.get(name);
  assert.equal(first.fields.redelivered, false);
  on.reject(first, true);
  const second = await on.get(name);
  assert.equal(second.fields.redelivered, true);
  on.nack(second, false, false);
  assert.equal(await on.get(name), false);
});

test("nackAll returns everything in its order", async (t) => {
  const on = await channel(t);
  const name = await queue(on);
  for (const body of ["1", "2", "3"]) on.sendToQueue(name, Buffer.from(body));
  for (let number = 0; number < 3; number++) await on.get(name);
  on.nackAll(true);
  const messages = await take(on, name, 3);
  assert.deepEqual(messages.map((message) => message.content.toString()), ["1", "2", "3"]);
  assert.ok(messages.every((message) => message.fields.redelivered));
});

test("recover redelivers what was not acknowledged", async (t) => {
  const on = await channel(t);
  const name = await queue(on);
  on.sendToQueue(name, Buffer.from("x"));
  await on.get(name);
  await on.recover();
  const again = await on.get(name);
  assert.equal(again.fields.redelivered, true);
  on.ackAll();
});

test("a prefetch of one holds the second message until the first is acknowledged", async (t) => {
  const on = await channel(t);
  const name = await queue(on);
  await on.prefetch(1);
  const seen = [];
  const second = new Promise((resolve) =>
    on.consume(name, (message) => {
      seen.push(message);
      if (seen.length === 2) resolve();
    }),
  );
  on.sendToQueue(name, Buffer.from("1"));
  on.sendToQueue(name, Buffer.from("2"));
  while ((await on.checkQueue(name)).messageCount !== 1 || seen.length !== 1);
  on.ack(seen[0]);
  await second;
  assert.equal(seen[1].content.toString(), "2");
});

test("unacknowledged messages of a closed connection go to another one", async (t) => {
  const doomed = await connect(t);
  const other = await channel(t);
  const { queue: name } = await other.assertQueue("", { durable: true });
  t.after(async () => (await channel(t)).deleteQueue(name));
  const on = await doomed.createChannel();
  on.sendToQueue(name, Buffer.from("x"));
  while ((await on.get(name)) === false);
  await doomed.close();
  const [message] = await take(other, name, 1);
  assert.equal(message.fields.redelivered, true);
});

test("a request is answered through the pseudo-queue of direct reply-to", async (t) => {
  const server = await channel(t);
  const name = await queue(server);
  await server.consume(
    name,
    (request) =>
      server.sendToQueue(request.properties.replyTo, Buffer.from(`${request.content}!`), {
        correlationId: request.properties.correlationId,
      }),
    { noAck: true },
  );
  const client = await (await connect(t)).createChannel();
  const reply = take(client, "amq.rabbitmq.reply-to", 1);
  client.sendToQueue(name, Buffer.from("ping"), { replyTo: "amq.rabbitmq.reply-to", correlationId: "7" });
  const [message] = await reply.catch(assert.fail);
  assert.equal(message.content.toString(), "ping!");
  assert.equal(message.properties.correlationId, "7");
});
