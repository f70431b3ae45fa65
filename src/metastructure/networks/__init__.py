"""Networks: one a file, chosen by name or by import path."""

from metastructure.networks.padded import Padded
from metastructure.networks.spec import NETWORKS, NetworkSpec, build_network

__all__ = ["NETWORKS", "NetworkSpec", "Padded", "build_network"]
