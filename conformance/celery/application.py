"""The application under test; worker and test import it, the environment says where broker and results are."""

import os
import pathlib
import signal
import time

from celery import Celery
from celery.exceptions import Reject
from kombu import Exchange, Queue

SHARED = pathlib.Path(os.environ["CONFORMANCE_SHARED"])
QUEUE = os.environ.get("CONFORMANCE_QUEUE", "work")
QUEUE_TYPE = os.environ.get("CONFORMANCE_QUEUE_TYPE", "classic")

app = Celery("conformance", broker=os.environ["CONFORMANCE_AMQP_URL"], backend=os.environ["CONFORMANCE_BACKEND"])
app.conf.update(
    task_default_queue=QUEUE,
    task_default_queue_type=QUEUE_TYPE,
    task_queues=[
        Queue(QUEUE, Exchange(QUEUE), QUEUE, queue_arguments={"x-queue-type": QUEUE_TYPE}),
        Queue("urgent", Exchange("urgent"), "urgent", queue_arguments={"x-max-priority": 10}),
        Queue("refused", Exchange("refused"), "refused", queue_arguments={"x-dead-letter-exchange": "graveyard"}),
    ],
    worker_detect_quorum_queues=True,
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    worker_send_task_events=True,
    task_send_sent_event=True,
    result_expires=3600,
)


def attempts(name):
    """Counts, over processes, how often this was called with `name`."""
    with open(SHARED / name, "a") as log:
        log.write("x")
    return (SHARED / name).stat().st_size


@app.task
def add(left, right):
    return left + right


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(reason):
    raise ValueError(reason)


@app.task(bind=True, max_retries=5)
def succeed_at(self, name, attempt):
    if attempts(name) < attempt:
        raise self.retry(countdown=0.2)
    return self.request.retries


@app.task(autoretry_for=(ConnectionError,), retry_backoff=True, retry_backoff_max=1, retry_jitter=False, max_retries=2)
def always_unreachable(name):
    attempts(name)
    raise ConnectionError("nobody answers")


@app.task
def now():
    return time.time()


@app.task
def record(name, text):
    with open(SHARED / name, "a") as log:
        log.write(text + "\n")


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def die_once(self, name):
    if attempts(name) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return self.request.delivery_info["redelivered"]


@app.task(acks_late=True)
def refuse():
    raise Reject("not here", requeue=False)


@app.task(acks_late=True)
def wait_for(name):
    while not (SHARED / name).exists():
        time.sleep(0.02)
    return name
