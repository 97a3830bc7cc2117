// Queues, exchanges and bindings, their arguments and their limits.

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { setTimeout } = require("node:timers/promises");
const { channel, queue, take, unique } = require("../broker");

const bodies = (messages) => messages.map((message) => message.content.toString());

async function exchange(t, on, type, options) {
  const name = unique(type);
  await on.assertExchange(name, type, options);
  t.after(() => on.deleteExchange(name).catch(() => {}));
  return name;
}

test("a queue is declared, counted, purged and deleted", async (t) => {
  const on = await channel(t);
  const name = unique("queue");
  assert.deepEqual(await on.assertQueue(name), { queue: name, messageCount: 0, consumerCount: 0 });
  on.sendToQueue(name, Buffer.from("1"));
  on.sendToQueue(name, Buffer.from("2"));
  assert.equal((await on.checkQueue(name)).messageCount, 2);
  assert.equal((await on.purgeQueue(name)).messageCount, 2);
  on.sendToQueue(name, Buffer.from("3"));
  assert.equal((await on.deleteQueue(name)).messageCount, 1);
  assert.equal((await on.deleteQueue(name)).messageCount, 0);
});

test("a server names a queue", async (t) => {
  const on = await channel(t);
  const [first, second] = [await queue(on), await queue(on)];
  assert.match(first, /^amq\.gen-/);
  assert.notEqual(first, second);
});

for (const [type, keys, sent, expected] of [
  ["direct", ["a", "b"], ["a", "b", "c", "a"], ["a", "b", "a"]],
  ["fanout", [""], ["a", "b"], ["a", "b"]],
  ["topic", ["a.*.c", "#.z"], ["a.b.c", "a.b.b.c", "z", "x.y.z", "a.c", "a.z.c"], ["a.b.c", "z", "x.y.z", "a.z.c"]],
]) {
  test(`a ${type} exchange routes by ${keys.join(" and ")}`, async (t) => {
    const on = await channel(t);
    const name = await exchange(t, on, type);
    const target = await queue(on);
    for (const key of keys) await on.bindQueue(target, name, key);
    for (const key of sent) on.publish(name, key, Buffer.from(key));
    assert.deepEqual(bodies(await take(on, target, expected.length)), expected);
    assert.equal((await on.checkQueue(target)).messageCount, 0);
  });
}

test("a headers exchange routes by any and by all", async (t) => {
  const on = await channel(t);
  const name = await exchange(t, on, "headers");
  const [any, all] = [await queue(on), await queue(on)];
  await on.bindQueue(any, name, "", { "x-match": "any", colour: "red", size: 1 });
  await on.bindQueue(all, name, "", { "x-match": "all", colour: "red", size: 1 });
  on.publish(name, "", Buffer.from("one"), { headers: { colour: "red", size: 2 } });
  on.publish(name, "", Buffer.from("both"), { headers: { colour: "red", size: 1 } });
  on.publish(name, "", Buffer.from("none"), { headers: { colour: "blue" } });
  assert.deepEqual(bodies(await take(on, any, 2)), ["one", "both"]);
  assert.deepEqual(bodies(await take(on, all, 1)), ["both"]);
});

test("exchanges are bound to exchanges, and unbound", async (t) => {
  const on = await channel(t);
  const [outer, inner] = [await exchange(t, on, "topic"), await exchange(t, on, "fanout", { internal: true })];
  const target = await queue(on);
  await on.bindExchange(inner, outer, "in.#");
  await on.bindQueue(target, inner, "");
  on.publish(outer, "in.side", Buffer.from("1"));
  on.publish(outer, "out.side", Buffer.from("2"));
  assert.deepEqual(bodies(await take(on, target, 1)), ["1"]);
  await on.unbindExchange(inner, outer, "in.#");
  on.publish(outer, "in.side", Buffer.from("3"));
  assert.equal((await on.checkQueue(target)).messageCount, 0);
});

test("an alternate exchange takes what its exchange cannot route", async (t) => {
  const on = await channel(t);
  const alternate = await exchange(t, on, "fanout");
  const main = await exchange(t, on, "direct", { alternateExchange: alternate });
  const target = await queue(on);
  await on.bindQueue(target, alternate, "");
  on.publish(main, "nowhere", Buffer.from("caught"));
  assert.deepEqual(bodies(await take(on, target, 1)), ["caught"]);
});

test("a message goes once to a queue that several bindings name", async (t) => {
  const on = await channel(t);
  const name = await exchange(t, on, "topic");
  const target = await queue(on);
  for (const key of ["#", "a.*", "a.b"]) await on.bindQueue(target, name, key);
  on.publish(name, "a.b", Buffer.from("once"));
  on.publish(name, "a.b", Buffer.from("twice"));
  assert.deepEqual(bodies(await take(on, target, 2)), ["once", "twice"]);
});

test("carbon copies go to the queues of both headers, and the blind ones are not shown", async (t) => {
  const on = await channel(t);
  const [to, copy, blind] = [await queue(on), await queue(on), await queue(on)];
  on.sendToQueue(to, Buffer.from("x"), { CC: [copy], BCC: [blind] });
  for (const name of [to, copy, blind]) {
    const [message] = await take(on, name, 1);
    assert.deepEqual(message.properties.headers.CC, [copy]);
    assert.equal("BCC" in message.properties.headers, false);
  }
});

test("a message that outlives its time is dead-lettered with its history", async (t) => {
  const on = await channel(t);
  const grave = await queue(on);
  const name = await queue(on, { messageTtl: 50, deadLetterExchange: "", deadLetterRoutingKey: grave });
  on.sendToQueue(name, Buffer.from("by queue"));
  on.sendToQueue(name, Buffer.from("by message"), { expiration: "20" });
  const messages = await take(on, grave, 2);
  assert.deepEqual(bodies(messages).sort(), ["by message", "by queue"]);
  for (const { properties } of messages) {
    const [death] = properties.headers["x-death"];
    assert.deepEqual([death.reason, death.queue, death.count], ["expired", name, 1]);
  }
  const own = messages.find((message) => message.content.toString() === "by message");
  assert.equal(own.properties.headers["x-death"][0]["original-expiration"], "20");
  assert.equal(own.properties.expiration, undefined);
});

test("a queue that is too long drops its head into the dead-letter exchange", async (t) => {
  const on = await channel(t);
  const grave = await queue(on);
  const name = await queue(on, { maxLength: 2, deadLetterExchange: "", deadLetterRoutingKey: grave });
  for (const body of ["1", "2", "3", "4"]) on.sendToQueue(name, Buffer.from(body));
  const dropped = await take(on, grave, 2);
  assert.deepEqual(bodies(dropped), ["1", "2"]);
  assert.equal(dropped[0].properties.headers["x-death"][0].reason, "maxlen");
  assert.deepEqual(bodies(await take(on, name, 2)), ["3", "4"]);
});

test("a queue with priorities gives the highest first", async (t) => {
  const on = await channel(t);
  const name = await queue(on, { maxPriority: 5 });
  for (const priority of [0, 5, 3, 5, 9]) on.sendToQueue(name, Buffer.from(String(priority)), { priority });
  assert.deepEqual(bodies(await take(on, name, 5)), ["5", "5", "9", "3", "0"]);
});

test("a queue that nobody uses goes after its time", async (t) => {
  const on = await channel(t);
  const name = unique("expires");
  await on.assertQueue(name, { expires: 200 });
  let missing = false;
  for (let attempt = 0; !missing && attempt < 20; attempt++) {
    // Asking would count as use, so the question waits longer than the queue lives.
    await setTimeout(400);
    const probe = await channel(t);
    probe.on("error", () => {});
    missing = await probe.checkQueue(name).then(
      () => false,
      (error) => error.code === 404,
    );
  }
  assert.ok(missing);
});

test("of two consumers of a single-active queue one gets everything, then the other", async (t) => {
  const [on, other] = [await channel(t), await channel(t)];
  const name = unique("single");
  await on.assertQueue(name, { arguments: { "x-single-active-consumer": true } });
  t.after(async () => (await channel(t)).deleteQueue(name));
  const [first, second] = [[], []];
  const { consumerTag } = await on.consume(name, (message) => first.push(message), { noAck: true });
  const later = new Promise((resolve) =>
    other.consume(name, (message) => second.push(message) && resolve(), { noAck: true }),
  );
  await other.checkQueue(name);
  for (let number = 0; number < 5; number++) on.sendToQueue(name, Buffer.from("x"));
  while (first.length < 5) await on.checkQueue(name);
  assert.equal(second.length, 0);
  await on.cancel(consumerTag);
  on.sendToQueue(name, Buffer.from("x"));
  await later;
});

test("a consumer with a higher priority is served first", async (t) => {
  const on = await channel(t);
  const name = await queue(on);
  const low = [];
  await on.consume(name, (message) => low.push(message), { noAck: true, priority: 1 });
  const high = take(on, name, 5, { noAck: true, priority: 10 });
  await on.checkQueue(name);
  for (let number = 0; number < 5; number++) on.sendToQueue(name, Buffer.from("x"));
  await high;
  assert.equal(low.length, 0);
});

test("a stream is read from its beginning and from an offset", async (t) => {
  const on = await channel(t);
  const name = unique("stream");
  await on.assertQueue(name, { arguments: { "x-queue-type": "stream" } });
  t.after(async () => (await channel(t)).deleteQueue(name));
  for (let number = 0; number < 10; number++) on.sendToQueue(name, Buffer.from(String(number)));
  await on.prefetch(100);
  const read = (offset, count) => take(on, name, count, { noAck: false, arguments: { "x-stream-offset": offset } });
  assert.deepEqual(bodies(await read("first", 10)), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  const later = await read(7, 3);
  assert.deepEqual(bodies(later), ["7", "8", "9"]);
  assert.equal(later[0].properties.headers["x-stream-offset"], 7);
});
