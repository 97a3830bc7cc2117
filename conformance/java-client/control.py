#!/usr/bin/env python3
"""Stands where the client's tests expect `rabbitmqctl`.

Against Sabir it translates the commands that the tests use into Sabir's own command line. Against a RabbitMQ it uses
the management API at CONFORMANCE_MANAGEMENT where that answers faster, and CONFORMANCE_RABBITMQCTL for the rest.
A command that has no translation fails and says so.
"""

import base64
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

UNKNOWN_COMMAND = 64


def option(arguments, name, default):
    """Takes `name value` out of the arguments."""
    if name not in arguments:
        return default
    index = arguments.index(name)
    value = arguments[index + 1]
    del arguments[index : index + 2]
    return value


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


class RabbitMq:
    """The management API for what the tests do often, `rabbitmqctl` for everything else."""

    def call(self, method, *path, body=None):
        url = "/".join([os.environ["CONFORMANCE_MANAGEMENT"], "api", *(urllib.parse.quote(part, safe="") for part in path)])
        credentials = base64.b64encode(b"guest:guest").decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=10)

    def ctl(self, *arguments):
        return subprocess.run([*os.environ["CONFORMANCE_RABBITMQCTL"].split(), *arguments], check=True)

    def list_connections(self, arguments):
        self.ctl("list_connections", "--no-table-headers", *arguments)

    def add_user(self, arguments):
        self.call("PUT", "users", arguments[0], body={"password": arguments[1], "tags": ""})

    def delete_user(self, arguments):
        self.call("DELETE", "users", arguments[0])

    def add_vhost(self, arguments):
        self.call("PUT", "vhosts", arguments[0], body={})

    def delete_vhost(self, arguments):
        self.call("DELETE", "vhosts", arguments[0])

    def set_permissions(self, arguments):
        vhost = option(arguments, "-p", "/")
        user, configure, write, read = arguments
        self.call("PUT", "permissions", vhost, user, body={"configure": configure, "write": write, "read": read})

    def clear_permissions(self, arguments):
        self.call("DELETE", "permissions", option(arguments, "-p", "/"), arguments[0])

    def set_policy(self, arguments):
        priority = int(option(arguments, "--priority", "0"))
        kind = option(arguments, "--apply-to", "all")
        name, pattern, definition = arguments
        body = {"pattern": pattern, "definition": json.loads(definition), "priority": priority, "apply-to": kind}
        self.call("PUT", "policies", "/", name, body=body)

    def clear_policy(self, arguments):
        self.call("DELETE", "policies", "/", arguments[0])


def main(arguments):
    target = RabbitMq() if "CONFORMANCE_RABBITMQCTL" in os.environ else Sabir()
    if arguments[:1] == ["-n"]:
        arguments = arguments[2:]
    name, *rest = arguments or ["help"]
    command = getattr(target, name, None)
    if command is None and isinstance(target, RabbitMq):
        return subprocess.run([*os.environ["CONFORMANCE_RABBITMQCTL"].split(), *arguments]).returncode
    if command is None:
        commands = [name for name in dir(target) if "_" in name.strip("_")]
        print(f"no translation of {shlex.join(arguments)}; there is {', '.join(commands)}", file=sys.stderr)
        return UNKNOWN_COMMAND
    try:
        command(rest)
    except (subprocess.CalledProcessError, urllib.error.HTTPError) as error:
        print(f"{shlex.join(arguments)}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
