"""Tutorial 6: asks for Fibonacci numbers through a reply queue of its own, or with `direct` without any queue."""

import sys
import uuid

import pika
from broker import connect


class Client:
    def __init__(self, direct):
        self.connection = connect()
        self.channel = self.connection.channel()
        self.replies = "amq.rabbitmq.reply-to"
        if not direct:
            self.replies = self.channel.queue_declare(queue="", exclusive=True).method.queue
        self.channel.basic_consume(queue=self.replies, on_message_callback=self.on_reply, auto_ack=True)
        self.expected = None
        self.reply = None

    def on_reply(self, _channel, _method, properties, body):
        if properties.correlation_id == self.expected:
            self.reply = body

    def call(self, number):
        self.reply, self.expected = None, str(uuid.uuid4())
        properties = pika.BasicProperties(reply_to=self.replies, correlation_id=self.expected)
        self.channel.basic_publish(exchange="", routing_key="rpc_queue", properties=properties, body=str(number))
        while self.reply is None:
            self.connection.process_data_events(time_limit=10)
        return int(self.reply)


how, *numbers = sys.argv[1:]
client = Client(how == "direct")
for number in numbers:
    print(number, client.call(number))
client.connection.close()
