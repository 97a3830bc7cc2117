#!/usr/bin/env -S python3 -E -S
"""Stands where the client's tests expect `rabbitmqctl`.

Against Sabir it translates the commands that the tests use into Sabir's own command line; `reference.py` is for a
RabbitMQ. A command that has no translation fails and says so. It is started hundreds of times, so it imports little.
"""

import json
import os
import re
import subprocess
import sys

from arguments import option

UNKNOWN_COMMAND = 64


class Sabir:
    """Sabir's command line."""

    def run(self, *arguments, answer=""):
        command = [os.environ["CONFORMANCE_BINARY"], *arguments, "--url", "http://" + os.environ["CONFORMANCE_ADMIN"]]
        return subprocess.run(command, check=True, input=answer, stdout=subprocess.PIPE, text=True).stdout

    def list_connections(self, _arguments):
        for connection in json.loads(self.run("connection", "list", "--json")):
            port = re.search(r":(\d+)", connection["description"]).group(1)
            print(f"{connection['id']}\t{port}")

    def close_connection(self, arguments):
        self.run("connection", "close", arguments[0], "--reason", arguments[1])

    def add_user(self, arguments):
        self.run("user", "set", arguments[0], "--new-password-file", "-", answer=arguments[1])

    def delete_user(self, arguments):
        self.run("user", "delete", arguments[0])

    def set_user_tags(self, arguments):
        user, *tags = arguments
        self.run("user", "set", user, *([f"--tag={tag}" for tag in tags] or ["--no-tags"]))

    def add_vhost(self, arguments):
        self.run("namespace", "create", arguments[0])

    def delete_vhost(self, arguments):
        self.run("namespace", "delete", arguments[0])

    def set_permissions(self, arguments):
        vhost = option(arguments, "-p", "/")
        user, configure, write, read = arguments
        may = [f"--configure={configure}", f"--write={write}", f"--read={read}"]
        self.run("permission", "set", user, "--namespace", vhost, *may)

    def clear_permissions(self, arguments):
        vhost = option(arguments, "-p", "/")
        self.run("permission", "clear", arguments[0], "--namespace", vhost)

    def set_topic_permissions(self, arguments):
        vhost = option(arguments, "-p", "/")
        user, exchange, write, read = arguments
        may = [f"--write={write}", f"--read={read}"]
        self.run("permission", "set-topic", user, exchange, "--namespace", vhost, *may)

    def clear_topic_permissions(self, arguments):
        vhost = option(arguments, "-p", "/")
        for permission in json.loads(self.run("permission", "list-topic", "--json", "--namespace", vhost)):
            if permission["user"] == arguments[0]:
                self.run("permission", "clear-topic", arguments[0], permission["exchange"], "--namespace", vhost)

    def set_policy(self, arguments):
        priority = option(arguments, "--priority", "0")
        kind = option(arguments, "--apply-to", "all")
        self.run("policy", "set", *arguments, f"--priority={priority}", f"--applies-to={kind}")

    def clear_policy(self, arguments):
        self.run("policy", "delete", arguments[0])


def main(arguments):
    target = Sabir()
    if "CONFORMANCE_RABBITMQCTL" in os.environ:
        from reference import RabbitMq

        target = RabbitMq()
    if arguments[:1] == ["-n"]:
        arguments = arguments[2:]
    name, *rest = arguments or ["help"]
    command = getattr(target, name, None)
    if command is None and not isinstance(target, Sabir):
        return subprocess.run([*os.environ["CONFORMANCE_RABBITMQCTL"].split(), *arguments]).returncode
    if command is None:
        commands = [name for name in dir(target) if "_" in name.strip("_")]
        print(f"no translation of {' '.join(arguments)}; there is {', '.join(commands)}", file=sys.stderr)
        return UNKNOWN_COMMAND
    try:
        command(rest)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"{' '.join(arguments)}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
