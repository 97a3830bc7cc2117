"""Tutorial 6: answers each request with the Fibonacci number that it asks for."""

import pika
from broker import connect, consume


def fibonacci(number):
    low, high = 0, 1
    for _ in range(number):
        low, high = high, low + high
    return low


def answer(channel, method, properties, body):
    channel.basic_publish(
        exchange="",
        routing_key=properties.reply_to,
        properties=pika.BasicProperties(correlation_id=properties.correlation_id),
        body=str(fibonacci(int(body))),
    )
    channel.basic_ack(delivery_tag=method.delivery_tag)


connection = connect()
channel = connection.channel()
channel.queue_declare(queue="rpc_queue")
channel.basic_qos(prefetch_count=1)
channel.basic_consume(queue="rpc_queue", on_message_callback=answer)
consume(channel)
connection.close()
