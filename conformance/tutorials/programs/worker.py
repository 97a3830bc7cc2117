"""Tutorial 2: takes one task at a time and acknowledges it when done; the task `crash` ends it without."""

import os

from broker import connect, consume


def work(channel, method, _properties, body):
    print("took", body.decode(), flush=True)
    if body == b"crash":
        os._exit(1)
    channel.basic_ack(delivery_tag=method.delivery_tag)
    print("done", body.decode(), "again" if method.redelivered else "first", flush=True)


connection = connect()
channel = connection.channel()
channel.queue_declare(queue="tasks", durable=True)
channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue="tasks", on_message_callback=work)
consume(channel)
connection.close()
