// What the broker says when it is asked for what cannot be, and what goes on afterwards.

const assert = require("node:assert/strict");
const { once } = require("node:events");
const { test } = require("node:test");
const amqp = require("amqplib");
const callbacks = require("amqplib/callback_api");
const { URL, channel, closing, connect, queue, unique } = require("../broker");

const refused = [
  ["a missing queue is checked", 404, (on) => on.checkQueue("no.such.queue")],
  ["a missing exchange is checked", 404, (on) => on.checkExchange("no.such.exchange")],
  ["a missing queue is consumed", 404, (on) => on.consume("no.such.queue", () => {})],
  ["a missing queue is bound", 404, (on) => on.bindQueue("no.such.queue", "amq.direct", "")],
  ["a reserved name is declared", 403, (on) => on.assertQueue("amq.mine")],
  ["a reserved exchange is declared", 403, (on) => on.assertExchange("amq.mine", "direct")],
  ["a binding is made to the default exchange", 403, async (on) => on.bindQueue(await queue(on), "", "key")],
  ["a TTL is not a number", 406, (on) => on.assertQueue(unique("q"), { arguments: { "x-message-ttl": "soon" } })],
  ["a maximum is negative", 406, (on) => on.assertQueue(unique("q"), { arguments: { "x-max-length": -1 } })],
  ["an overflow is unknown", 406, (on) => on.assertQueue(unique("q"), { arguments: { "x-overflow": "spill" } })],
  ["an exchange is declared with another type", 406, (on) => on.assertExchange("amq.direct", "fanout")],
];

for (const [what, code, ask] of refused) {
  test(`${code} when ${what}, and the connection goes on`, async (t) => {
    const connection = await connect(t);
    const on = await connection.createChannel();
    const [error] = await Promise.all([closing(on), assert.rejects(() => ask(on))]);
    assert.equal(error.code, code);
    await queue(await connection.createChannel());
  });
}

test("406 names the argument that differs", async (t) => {
  const connection = await connect(t);
  const on = await connection.createChannel();
  const name = unique("q");
  await on.assertQueue(name, { durable: true, autoDelete: true, messageTtl: 1000 });
  const [error] = await Promise.all([
    closing(on),
    assert.rejects(() => on.assertQueue(name, { durable: true, autoDelete: true, messageTtl: 2000 })),
  ]);
  assert.equal(error.code, 406);
  assert.match(error.message, /inequivalent arg 'x-message-ttl' for queue '.*' in vhost '\/'/);
  const again = await connection.createChannel();
  await again.deleteQueue(name);
});

test("405 when another connection uses an exclusive queue", async (t) => {
  const name = await queue(await channel(t));
  const other = await channel(t);
  const [error] = await Promise.all([closing(other), assert.rejects(() => other.checkQueue(name))]);
  assert.equal(error.code, 405);
});

test("403 when a queue is consumed exclusively by somebody else", async (t) => {
  const on = await channel(t);
  const name = await queue(on);
  await on.consume(name, () => {}, { exclusive: true });
  const [error] = await Promise.all([closing(on), assert.rejects(() => on.consume(name, () => {}))]);
  assert.equal(error.code, 403);
});

test("406 when an unknown delivery is acknowledged", async (t) => {
  const on = await channel(t);
  const closed = closing(on);
  on.ack({ fields: { deliveryTag: 99 } });
  assert.match((await closed).message, /unknown delivery tag 99/);
});

test("404 closes the channel of a publish to a missing exchange", async (t) => {
  const on = await channel(t);
  const closed = closing(on);
  on.publish("no.such.exchange", "", Buffer.from("x"));
  assert.equal((await closed).code, 404);
});

test("406 when a message claims to be from another user", async (t) => {
  const on = await channel(t);
  const name = await queue(on);
  const closed = closing(on);
  on.sendToQueue(name, Buffer.from("x"), { userId: "somebody" });
  assert.equal((await closed).code, 406);
});

test("406 when a queue is deleted that must be empty or unused and is not", async (t) => {
  for (const condition of [{ ifEmpty: true }, { ifUnused: true }]) {
    const on = await channel(t);
    const name = await queue(on);
    if (condition.ifEmpty) on.sendToQueue(name, Buffer.from("x"));
    else await on.consume(name, () => {});
    const [error] = await Promise.all([closing(on), assert.rejects(() => on.deleteQueue(name, condition))]);
    assert.equal(error.code, 406);
  }
});

test("530 closes the connection when a consumer tag is used twice", async (t) => {
  const connection = await connect(t);
  const on = await connection.createChannel();
  on.on("error", () => {});
  const name = await queue(on);
  await on.consume(name, () => {}, { consumerTag: "same" });
  const closed = once(connection, "error");
  await assert.rejects(() => on.consume(name, () => {}, { consumerTag: "same" }));
  assert.equal((await closed)[0].code, 530);
});

test("a wrong password is refused", async () => {
  await assert.rejects(() => amqp.connect(URL.replace("guest:guest", "guest:wrong")), /403|ACCESS.REFUSED/);
});

test("a missing virtual host is refused", async () => {
  await assert.rejects(() => amqp.connect(URL.replace("%2f", "nonesuch")), /ConnectionClose|530|NOT.ALLOWED/);
});

test("a consumer hears that its queue is gone", async (t) => {
  const connection = await connect(t);
  const [on, other] = [await connection.createChannel(), await connection.createChannel()];
  const name = await queue(on);
  const cancelled = new Promise((resolve) => on.consume(name, (message) => message === null && resolve()));
  await on.checkQueue(name);
  await other.deleteQueue(name);
  await cancelled;
});

test("a thousand channels open and close on one connection", async (t) => {
  const connection = await connect(t);
  const channels = await Promise.all(Array.from({ length: 1000 }, () => connection.createChannel()));
  await Promise.all(channels.map((each) => each.close()));
  await queue(await connection.createChannel());
});

test("the callback interface publishes, consumes and closes", (_t, done) => {
  callbacks.connect(URL, (refusal, connection) => {
    assert.ifError(refusal);
    connection.createChannel((failure, on) => {
      assert.ifError(failure);
      on.assertQueue("", { exclusive: true }, (error, { queue: name }) => {
        assert.ifError(error);
        on.consume(name, (message) => {
          assert.equal(message.content.toString(), "called back");
          on.ack(message);
          on.close(() => connection.close(done));
        });
        on.sendToQueue(name, Buffer.from("called back"));
      });
    });
  });
});

test("heartbeats keep an idle connection", async (t) => {
  const connection = await connect(t, {});
  const beating = await amqp.connect(`${URL}?heartbeat=1`);
  t.after(() => beating.close());
  await new Promise((resolve) => setTimeout(resolve, 3500));
  await queue(await beating.createChannel());
  await queue(await connection.createChannel());
});
