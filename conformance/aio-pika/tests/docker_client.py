"""Takes the place of the module that starts a broker in a container: the broker of the run is the container."""

import os
from dataclasses import dataclass


class DockerNotAvailableError(Exception):
    pass


@dataclass
class DockerHostInfo:
    container_host: str


@dataclass
class ContainerInfo:
    id: str
    ports: dict[str, int]
    host: str


def check_docker_available():
    return DockerHostInfo(os.environ["CONFORMANCE_HOST"])


class DockerClient:
    def __init__(self, docker_host_info=None):
        self.docker_host_info = docker_host_info

    def run(self, image, ports, environment=None):
        numbers = {
            "5672/tcp": int(os.environ["CONFORMANCE_PORT"]),
            "5671/tcp": int(os.environ["CONFORMANCE_TLS_PORT"] or 0),
        }
        return ContainerInfo("broker", {port: numbers[port] for port in ports}, self.docker_host_info.container_host)

    def kill(self, _container):
        """The runner ends the broker."""

    def remove(self, _container):
        """The runner ends the broker."""
