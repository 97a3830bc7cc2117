"""What users of Celery rely on, through a real worker process."""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import pytest

FOLDER = pathlib.Path(__file__).parent
SHARED = pathlib.Path(tempfile.mkdtemp(prefix="celery-conformance-"))
os.environ["CONFORMANCE_SHARED"] = str(SHARED)
os.environ["CONFORMANCE_BACKEND"] = "rpc://"

from celery import chain  # noqa: E402
from celery.exceptions import TaskRevokedError  # noqa: E402
from kombu import Exchange, Queue  # noqa: E402

import application  # noqa: E402
from application import app  # noqa: E402

SECONDS = 20


class Worker:
    """A worker process that consumes the given queues."""

    def __init__(self, queues, concurrency=2, **environment):
        self.name = f"worker-{uuid.uuid4().hex[:8]}@test"
        self.log = open(SHARED / f"{self.name}.log", "w")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "celery", "-A", "application", "worker", "--loglevel=info",
                f"--concurrency={concurrency}", f"--hostname={self.name}", f"--queues={queues}", "--prefetch-multiplier=1",
            ],
            cwd=FOLDER, stdout=self.log, stderr=self.log, env={**os.environ, **environment},
        )  # fmt: skip

    def wait_until_ready(self):
        end = time.monotonic() + SECONDS
        while not app.control.ping(destination=[self.name], timeout=0.5):
            assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()
            assert time.monotonic() < end, pathlib.Path(self.log.name).read_text()
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=SECONDS)
        self.log.close()


@pytest.fixture(scope="module")
def worker():
    worker = Worker("work,refused").wait_until_ready()
    yield worker
    worker.stop()


@pytest.fixture
def name():
    return uuid.uuid4().hex


def lines(name):
    path = SHARED / name
    return path.read_text().splitlines() if path.exists() else []


def until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_task_gives_its_result(worker):
    assert application.add.delay(2, 3).get(timeout=SECONDS) == 5


def test_a_hundred_tasks_give_their_own_results(worker):
    results = [application.add.delay(number, number) for number in range(100)]
    assert [result.get(timeout=SECONDS) for result in results] == [2 * number for number in range(100)]


def test_an_exception_comes_back(worker):
    with pytest.raises(ValueError, match="on purpose"):
        application.fail.delay("on purpose").get(timeout=SECONDS)


def test_a_task_that_retries_succeeds_at_its_third_attempt(worker, name):
    assert application.succeed_at.delay(name, 3).get(timeout=SECONDS) == 2


def test_retries_end(worker, name):
    with pytest.raises(ConnectionError):
        application.always_unreachable.delay(name).get(timeout=SECONDS)
    assert (SHARED / name).stat().st_size == 3


def test_a_countdown_delays(worker):
    sent = time.time()
    assert application.now.apply_async(countdown=1).get(timeout=SECONDS) - sent >= 1


def test_a_task_that_expired_is_not_run(worker):
    result = application.now.apply_async(countdown=0.5, expires=0.1)
    with pytest.raises(TaskRevokedError):
        result.get(timeout=SECONDS)


def test_a_revoked_task_is_not_run(worker, name):
    result = application.record.apply_async((name, "ran"), countdown=2)
    app.control.revoke(result.id, reply=True, timeout=5, destination=[worker.name])
    with pytest.raises(TaskRevokedError):
        result.get(timeout=SECONDS)
    assert lines(name) == []


def test_a_task_of_a_killed_process_runs_again_and_is_redelivered(worker, name):
    assert application.die_once.delay(name).get(timeout=SECONDS) is True


def test_a_rejected_task_is_dead_lettered(worker):
    graveyard = Queue("graveyard", Exchange("graveyard", type="fanout"), auto_delete=True)
    with app.connection_for_write() as connection:
        queue = graveyard(connection.channel())
        queue.declare()
        queue.purge()
        result = application.refuse.apply_async(queue="refused")
        messages = []
        until(lambda: messages.append(queue.get(no_ack=True)) or messages[-1])
    message = messages[-1]
    assert message.headers["id"] == result.id
    death = message.headers["x-death"][0]
    assert (death["reason"], death["queue"], death["count"]) == ("rejected", "refused", 1)


def test_a_chain_hands_results_on(worker):
    assert chain(application.add.s(1, 2), application.add.s(3), application.add.s(4))().get(timeout=SECONDS) == 10


def test_remote_control_sees_the_worker(worker):
    inspected = app.control.inspect(destination=[worker.name], timeout=5)
    queues = {queue["name"] for queue in inspected.active_queues()[worker.name]}
    assert queues == {"work", "refused"}
    assert "application.add" in inspected.registered()[worker.name]
    assert worker.name in inspected.stats()


def test_events_follow_a_task(worker):
    seen, sent = [], []

    def see(event):
        seen.append((event.get("uuid"), event["type"]))
        if sent and seen[-1] == (sent[0].id, "task-succeeded"):
            receiver.should_stop = True

    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": see})
        capture = receiver.itercapture(limit=None, timeout=SECONDS, wakeup=False)
        next(capture)
        sent.append(application.add.delay(1, 1))
        for _consumed in capture:
            pass
    kinds = [kind for task, kind in seen if task == sent[0].id]
    assert {"task-sent", "task-received", "task-started", "task-succeeded"} <= set(kinds)


def test_urgent_tasks_overtake_in_a_queue_with_priorities(name):
    with app.connection_for_write() as connection:
        app.amqp.queues["urgent"](connection.channel()).declare()
    for priority in (1, 9, 5, 1, 9):
        application.record.apply_async((name, str(priority)), queue="urgent", priority=priority)
    worker = Worker("urgent", concurrency=1)
    try:
        until(lambda: len(lines(name)) == 5)
    finally:
        worker.stop()
    assert lines(name) == ["9", "9", "5", "1", "1"]


def test_a_warm_shutdown_leaves_no_task_behind_and_loses_none(name):
    app.amqp.queues["urgent"](app.connection_for_write().channel()).declare()
    results = [application.wait_for.apply_async((name,), queue="urgent") for _ in range(6)]
    first = Worker("urgent").wait_until_ready()
    until(lambda: app.control.inspect(destination=[first.name], timeout=2).active()[first.name])
    stopping = threading.Thread(target=first.stop)
    stopping.start()
    (SHARED / name).touch()
    stopping.join(timeout=SECONDS)
    second = Worker("urgent")
    try:
        assert [result.get(timeout=SECONDS) for result in results] == [name] * 6
    finally:
        second.stop()


CANVAS = """
from celery import chord, group
import application
from application import add, total
print(group(add.s(number, number) for number in range(10))().get(timeout=20))
print(chord((add.s(number, 1) for number in range(10)), total.s())().get(timeout=20))
"""


def test_groups_and_chords_complete_with_a_shared_result_store(name):
    store = SHARED / f"results-{name}"
    store.mkdir()
    environment = {"CONFORMANCE_BACKEND": f"file://{store}", "CONFORMANCE_QUEUE": "canvas"}
    worker = Worker("canvas", **environment)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", CANVAS], cwd=FOLDER, env={**os.environ, **environment},
            stdout=subprocess.PIPE, text=True, timeout=50, check=True,
        )  # fmt: skip
    finally:
        worker.stop()
    assert ended.stdout.splitlines() == [str([2 * number for number in range(10)]), "55"]


QUORUM = """
import time
from application import add, now, succeed_at
print(add.delay(1, 2).get(timeout=20))
sent = time.time()
print(now.apply_async(countdown=1).get(timeout=20) - sent >= 1)
print(succeed_at.delay("{name}", 2).get(timeout=20))
"""


def test_quorum_queues_with_native_delayed_delivery(name):
    environment = {"CONFORMANCE_QUEUE": "quorum", "CONFORMANCE_QUEUE_TYPE": "quorum"}
    worker = Worker("quorum", **environment)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", QUORUM.replace("{name}", name)], cwd=FOLDER, env={**os.environ, **environment},
            stdout=subprocess.PIPE, text=True, timeout=50, check=True,
        )  # fmt: skip
    finally:
        worker.stop()
    assert ended.stdout.splitlines() == ["3", "True", "1"]
