"""The former name of `oracle.regions`."""

from oracle.regions import Cut, adaptive, from_bounds, graham, pool

__all__ = ["Cut", "adaptive", "from_bounds", "graham", "pool"]
