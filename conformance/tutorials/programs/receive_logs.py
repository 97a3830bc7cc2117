"""Tutorials 3 to 5: prints what an exchange routes to a queue of its own, bound with the given keys."""

import sys

from broker import connect, consume

name, kind, *keys = sys.argv[1:]
connection = connect()
channel = connection.channel()
channel.exchange_declare(exchange=name, exchange_type=kind)
queue = channel.queue_declare(queue="", exclusive=True).method.queue
for key in keys or [""]:
    channel.queue_bind(exchange=name, queue=queue, routing_key=key)
channel.basic_consume(
    queue=queue,
    on_message_callback=lambda _channel, method, _properties, body: print(method.routing_key, body.decode(), flush=True),
    auto_ack=True,
)
consume(channel)
connection.close()
