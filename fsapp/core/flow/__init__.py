"""Flows: the scenario a caller runs through, as values (`blocks`) and a pure interpreter (`step`). Talks to nobody."""

from fsapp.core.flow.blocks import Block, Flow, Kind, flow_from

__all__ = ["Block", "Flow", "Kind", "flow_from"]
