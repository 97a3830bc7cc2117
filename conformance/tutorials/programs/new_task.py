"""Tutorial 2: queues one durable task, named on the command line."""

import sys

import pika
from broker import connect

connection = connect()
channel = connection.channel()
channel.queue_declare(queue="tasks", durable=True)
channel.basic_publish(
    exchange="",
    routing_key="tasks",
    body=" ".join(sys.argv[1:]) or "nothing",
    properties=pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent),
)
connection.close()
