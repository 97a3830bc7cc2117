"""Tutorial 1: prints every message of the queue."""

from broker import connect, consume

connection = connect()
channel = connection.channel()
channel.queue_declare(queue="hello")
channel.basic_consume(
    queue="hello",
    on_message_callback=lambda _channel, _method, _properties, body: print("received", body.decode(), flush=True),
    auto_ack=True,
)
consume(channel)
connection.close()
