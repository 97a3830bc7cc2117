"""Tutorial 1: sends one message to a queue by its name."""

from broker import connect

connection = connect()
channel = connection.channel()
channel.queue_declare(queue="hello")
channel.basic_publish(exchange="", routing_key="hello", body="Hello World!")
print("sent Hello World!")
connection.close()
