"""A real Ray cluster of two node processes on 127.0.0.1, without what a test has no use for.

Ray's dashboard agents import half of Python and would make each node wait for many seconds: their ports are written
down beforehand as unused, and in their place a process waits for its end.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

STORE_BYTES = 80 * 2**20

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's switch for 127.0.0.1; read at import
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_enable_open_telemetry": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}

UNUSED = ("METRICS_AGENT_PORT_NAME", "METRICS_EXPORT_PORT_NAME", "DASHBOARD_AGENT_LISTEN_PORT_NAME")


@contextmanager
def two_nodes() -> Iterator[Any]:
    """Give a `ray.cluster_utils.Cluster` of two nodes with one CPU each."""
    import ray._raylet
    from ray._private import node, ray_constants, services
    from ray.cluster_utils import Cluster

    start_raylet, build_command = services.start_raylet, services._build_python_executable_command_memory_profileable

    def start_without_ports(redis: str, gcs: str, node_id: str, *rest: Any, **options: Any) -> Any:
        session = rest[8]
        for name in UNUSED:
            ray._raylet.persist_port(session, node_id, getattr(ray._raylet, name), -1)
        return start_raylet(redis, gcs, node_id, *rest, **options)

    def build_without_agent(component: str, *rest: Any, **options: Any) -> Any:
        return ["sh", "-c", "cat >/dev/null"] if component == "dashboard_agent" else build_command(component, *rest)

    with (
        mock.patch.object(services, "start_raylet", start_without_ports),
        mock.patch.object(services, "_build_python_executable_command_memory_profileable", build_without_agent),
        mock.patch.object(node.Node, "start_api_server"),
        mock.patch.object(ray_constants, "ENABLE_RAY_CLUSTER", False),  # 127.0.0.1; see ENVIRONMENT
    ):
        options = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"no_monitor": True, "include_log_monitor": False, **options},
        )
        try:
            cluster.add_node(**options)
            yield cluster
        finally:
            cluster.shutdown()


@contextmanager
def environment(**more: str) -> Iterator[None]:
    """Set what Ray's processes and this one need while inside."""
    with mock.patch.dict(os.environ, ENVIRONMENT | more):
        yield
