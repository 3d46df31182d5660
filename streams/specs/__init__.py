"""Spec files: YAML in, AgentScalers and Pools out, every fault with file, line and field.

Rule: all faults at once, none guessed away.
"""

from streams.specs.fault import Fault, Specs
from streams.specs.files import read_specs
from streams.specs.show import effective

__all__ = ["Fault", "Specs", "effective", "read_specs"]
