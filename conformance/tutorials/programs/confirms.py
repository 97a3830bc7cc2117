"""Tutorial 7: publishes with confirms, one by one, and shows what becomes of a message without a queue."""

import sys

import pika
from broker import connect

count = int(sys.argv[1])
connection = connect()
channel = connection.channel()
queue = channel.queue_declare(queue="", exclusive=True).method.queue
channel.confirm_delivery()
for number in range(count):
    channel.basic_publish(exchange="", routing_key=queue, body=str(number), mandatory=True)
print("confirmed", count)
try:
    channel.basic_publish(exchange="", routing_key="no.such.queue", body="lost", mandatory=True)
except pika.exceptions.UnroutableError as error:
    print("returned", error.messages[0].body.decode(), error.messages[0].method.reply_code)
print("stored", channel.queue_declare(queue=queue, passive=True).method.message_count)
connection.close()
