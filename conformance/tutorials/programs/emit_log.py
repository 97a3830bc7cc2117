"""Tutorials 3 to 5: publishes `body` to the exchange `name` of a type, with a routing key."""

import sys

from broker import connect

name, kind, key, body = sys.argv[1:]
connection = connect()
channel = connection.channel()
channel.exchange_declare(exchange=name, exchange_type=kind)
channel.basic_publish(exchange=name, routing_key=key, body=body)
connection.close()
