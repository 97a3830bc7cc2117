"""Runs `snippet.py` as its user does, unchanged, and looks at the queue afterwards."""

import pathlib
import subprocess
import sys

import pika
import pytest

SNIPPET = pathlib.Path(__file__).with_name("snippet.py")


@pytest.fixture
def channel():
    connection = pika.BlockingConnection(pika.ConnectionParameters("localhost"))
    channel = connection.channel()
    channel.queue_delete("task_queue")
    yield channel
    connection.close()


def run_snippet():
    return subprocess.run([sys.executable, SNIPPET], capture_output=True, text=True, timeout=30)


def test_the_snippet_ends_without_a_word(channel):
    ended = run_snippet()
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_its_message_is_in_the_durable_queue(channel):
    run_snippet()
    method, properties, body = channel.basic_get("task_queue", auto_ack=True)
    assert body == b"Process data #1"
    assert properties.delivery_mode == 2
    assert (method.exchange, method.routing_key, method.redelivered) == ("", "task_queue", False)
    assert channel.queue_declare("task_queue", durable=True, passive=True).method.message_count == 0


def test_running_it_again_adds_a_second_message(channel):
    run_snippet()
    run_snippet()
    assert channel.queue_declare("task_queue", passive=True).method.message_count == 2
