"""Each tutorial as its reader runs it: programs in processes of their own, and what they print."""

import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading

import pika
import pytest

PROGRAMS = pathlib.Path(__file__).with_name("programs")
LINE_SECONDS = 10


class Program:
    """A running program and the lines that it prints."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, PROGRAMS / name, *arguments], stdout=subprocess.PIPE, text=True
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())

    def line(self):
        return self.lines.get(timeout=LINE_SECONDS)

    def expect(self, *lines):
        assert [self.line() for _ in lines] == list(lines)

    def silent(self):
        return self.lines.empty()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=LINE_SECONDS) == 0


@pytest.fixture
def start():
    programs = []

    def started(name, *arguments):
        program = Program(name, *arguments)
        program.expect("waiting")
        programs.append(program)
        return program

    yield started
    for program in programs:
        if program.process.poll() is None:
            program.stop()


@pytest.fixture
def channel():
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["CONFORMANCE_AMQP_URL"]))
    channel = connection.channel()
    for name in ("hello", "tasks", "rpc_queue"):
        channel.queue_delete(name)
    yield channel
    connection.close()


def run(name, *arguments):
    ended = subprocess.run(
        [sys.executable, PROGRAMS / name, *arguments], stdout=subprocess.PIPE, text=True, timeout=20, check=True
    )
    return ended.stdout.splitlines()


def test_1_a_message_is_received_by_a_program_that_waits(channel, start):
    receiver = start("receive.py")
    assert run("send.py") == ["sent Hello World!"]
    receiver.expect("received Hello World!")


def test_1_a_message_waits_for_a_program_that_starts_later(channel, start):
    run("send.py")
    start("receive.py").expect("received Hello World!")


def test_2_tasks_go_to_workers_in_turn(channel, start):
    workers = [start("worker.py"), start("worker.py")]
    for number in range(4):
        run("new_task.py", f"task {number}")
    for worker in workers:
        assert worker.line().startswith("took task")
        assert worker.line().startswith("done task")
        assert worker.line().startswith("took task")
        assert worker.line().startswith("done task")


def test_2_the_task_of_a_dead_worker_goes_to_another(channel, start):
    doomed = start("worker.py")
    run("new_task.py", "crash")
    doomed.expect("took crash")
    assert doomed.process.wait(timeout=LINE_SECONDS) == 1
    other = start("worker.py")
    other.expect("took crash")
    assert other.process.wait(timeout=LINE_SECONDS) == 1
    method, properties, body = next(channel.consume("tasks", inactivity_timeout=LINE_SECONDS))
    assert (body, method.redelivered, properties.delivery_mode) == (b"crash", True, 2)


def test_3_a_fanout_exchange_copies_to_every_receiver(channel, start):
    receivers = [start("receive_logs.py", "logs", "fanout") for _ in range(3)]
    run("emit_log.py", "logs", "fanout", "", "to all")
    for receiver in receivers:
        receiver.expect("to all")


def test_4_a_direct_exchange_selects_by_key(channel, start):
    errors = start("receive_logs.py", "direct_logs", "direct", "error")
    everything = start("receive_logs.py", "direct_logs", "direct", "info", "error")
    run("emit_log.py", "direct_logs", "direct", "info", "started")
    run("emit_log.py", "direct_logs", "direct", "warning", "nobody listens")
    run("emit_log.py", "direct_logs", "direct", "error", "failed")
    everything.expect("info started", "error failed")
    errors.expect("error failed")
    assert errors.silent() and everything.silent()


def test_5_a_topic_exchange_selects_by_pattern(channel, start):
    kernel = start("receive_logs.py", "topic_logs", "topic", "kern.*")
    critical = start("receive_logs.py", "topic_logs", "topic", "*.critical")
    both = start("receive_logs.py", "topic_logs", "topic", "kern.*", "*.critical")
    everything = start("receive_logs.py", "topic_logs", "topic", "#")
    for key in ("kern.critical", "kern.info", "mail.critical", "kern.disk.full"):
        run("emit_log.py", "topic_logs", "topic", key, "x")
    everything.expect("kern.critical x", "kern.info x", "mail.critical x", "kern.disk.full x")
    both.expect("kern.critical x", "kern.info x", "mail.critical x")
    kernel.expect("kern.critical x", "kern.info x")
    critical.expect("kern.critical x", "mail.critical x")
    assert kernel.silent() and critical.silent() and both.silent() and everything.silent()


@pytest.mark.parametrize("how", ["queue", "direct"])
def test_6_a_call_is_answered_by_a_server(channel, start, how):
    start("rpc_server.py")
    assert run("rpc_client.py", how, "0", "10", "30") == ["0 0", "10 55", "30 832040"]


def test_7_every_publish_is_confirmed_and_an_unroutable_one_returned(channel):
    assert run("confirms.py", "200") == ["confirmed 200", "returned lost 312", "stored 200"]
