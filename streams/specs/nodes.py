"""YAML's own nodes of a spec: where a field stands, and what is wrong before it is read.

Rule: a node is never changed; a place that is not there is the deepest one on the way to it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import yaml

Path_ = tuple[str | int, ...]

FLOAT, INT = "tag:yaml.org,2002:float", "tag:yaml.org,2002:int"
_OCTAL = re.compile(r"[-+]?0[0-9_]+")


def faulty(node: yaml.Node) -> Iterator[tuple[yaml.Node, Path_, str]]:
    """Keys that stand twice, values that YAML cannot make, and numbers that are not what they say.

    Those would otherwise pass as something else: ``.nan`` as not given, ``010`` as 8.
    """
    loader = yaml.SafeLoader("")

    def below(found: yaml.Node, path: Path_) -> Iterator[tuple[yaml.Node, Path_, str]]:
        if isinstance(found, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in found.value:
                name = str(key.value)
                if name in seen:
                    yield key, (*path, name), "this key stands here twice"
                seen.add(name)
                yield from below(value, (*path, name))
        elif isinstance(found, yaml.SequenceNode):
            for index, value in enumerate(found.value):
                yield from below(value, (*path, index))
        else:
            wrong = _scalar(loader, found)
            if wrong is not None:
                yield found, path, wrong

    yield from below(node, ())


def _scalar(loader: yaml.SafeLoader, node: yaml.Node) -> str | None:
    """What is wrong with a value; None: nothing, or what building the document says."""
    text = node.value
    try:
        made = loader.construct_object(node)
    except yaml.YAMLError:
        return None
    except (ValueError, LookupError, AttributeError) as error:
        return f"not plain YAML: {text!r} is no {node.tag.rpartition(':')[2]} ({error})"
    if node.tag == FLOAT and not math.isfinite(made):
        return f"must be a finite number, not {text}"
    if node.tag in {FLOAT, INT} and (":" in text or _OCTAL.fullmatch(text)):
        return f"{text} is {made:g} to YAML; write the number itself"
    return None


def find(node: yaml.Node, path: Path_) -> yaml.Node | None:
    """The node at ``path``; None: there is none."""
    found, known = deepest(node, path)
    return found if known == path else None


def deepest(node: yaml.Node, path: Path_) -> tuple[yaml.Node, Path_]:
    """The node at ``path``, or the deepest one on the way, and the path to it."""
    known: list[str | int] = []
    for part in path:
        following: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            following = next((v for k, v in node.value if k.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            following = node.value[part] if part < len(node.value) else None
        if following is None:
            break
        node = following
        known.append(part)
    return node, tuple(known)


def dotted(path: Path_) -> str:
    """``spec.variants[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def size(node: yaml.Node, limit: int) -> int:
    """Nodes with aliases expanded, counted no further than just above ``limit``."""
    sizes: dict[int, int] = {}

    def below(found: yaml.Node) -> int:
        known = sizes.get(id(found))
        if known is not None:
            return known
        sizes[id(found)] = limit + 1  # An alias into itself is endless.
        total = 1
        children: list[yaml.Node] = []
        if isinstance(found, yaml.MappingNode):
            children = [child for pair in found.value for child in pair]
        elif isinstance(found, yaml.SequenceNode):
            children = list(found.value)
        for child in children:
            total = min(total + below(child), limit + 1)
        sizes[id(found)] = total
        return total

    return below(node)
