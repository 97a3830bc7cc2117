"""The administration of a RabbitMQ.

The management API at CONFORMANCE_MANAGEMENT for what the tests do often, CONFORMANCE_RABBITMQCTL for the rest.
"""

import base64
import json
import os
import subprocess
import urllib.parse
import urllib.request

from arguments import option


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
