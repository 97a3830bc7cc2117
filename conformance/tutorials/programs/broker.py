"""Where the broker is: the one thing the programs share."""

import os

import pika


def connect():
    return pika.BlockingConnection(pika.URLParameters(os.environ["CONFORMANCE_AMQP_URL"]))


def consume(channel):
    """Says that the program listens, then consumes until it is interrupted."""
    print("waiting", flush=True)
    try:
        channel.start_consuming()
    except KeyboardInterrupt:
        channel.stop_consuming()
