from .padded import Padded as Padded
from .spec import NETWORKS as NETWORKS
from .spec import NetworkSpec as NetworkSpec
from .spec import build_network as build_network
