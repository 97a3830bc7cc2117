// Connections and queues that end with their test.

const { randomUUID } = require("node:crypto");
const { once } = require("node:events");
const amqp = require("amqplib");

const URL = process.env.CONFORMANCE_AMQP_URL;

/** A connection that closes after the test, whatever became of it. */
async function connect(test, options) {
  const connection = await amqp.connect(URL, options);
  connection.on("error", () => {});
  test.after(() => connection.close().catch(() => {}));
  return connection;
}

/** A channel of a connection of its own. */
async function channel(test) {
  return (await connect(test)).createChannel();
}

/** A channel in confirm mode of a connection of its own. */
async function confirmChannel(test) {
  return (await connect(test)).createConfirmChannel();
}

/** The name of an exclusive queue, declared on the channel. */
async function queue(on, options = {}) {
  return (await on.assertQueue("", { exclusive: true, ...options })).queue;
}

/** Resolves with the first `count` messages of a queue; they are acknowledged unless `noAck` is given. */
function take(on, from, count, options = { noAck: true }) {
  const taken = [];
  return new Promise((resolve, reject) => {
    on.consume(
      from,
      (message) => {
        if (message === null) return reject(new Error("cancelled by the broker"));
        if (!options.noAck) on.ack(message);
        taken.push(message);
        if (taken.length === count) resolve(taken);
      },
      options,
    ).catch(reject);
  });
}

/** Resolves with the error that closes the channel. */
async function closing(on) {
  const [error] = await once(on, "error");
  return error;
}

const unique = (prefix) => `${prefix}.${randomUUID()}`;

module.exports = { URL, connect, channel, confirmChannel, queue, take, closing, unique };
