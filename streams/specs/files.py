"""Reading spec files: YAML syntax, then structure, then what several files say together.

Rule: positions come from the YAML's own nodes; pydantic's faults are mapped onto them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from actuators.check import targets
from models.domain.spec import AgentScaler, Pool
from streams.plain import plain
from streams.specs.fault import Fault, Specs
from streams.specs.nodes import Path_, deepest, dotted, faulty, find, size

MAX_BYTES = 1024 * 1024
MAX_NODES = 100_000
"""Nodes a document may come to when its aliases are expanded: refuses a "billion laughs"."""

KINDS: dict[str, type[AgentScaler | Pool]] = {"AgentScaler": AgentScaler, "Pool": Pool}

SCALED = ("Deployment", "StatefulSet")
"""Kinds that the actuator for Kubernetes sets replicas of."""


def read_specs(paths: Iterable[Path]) -> Specs:
    """Read files and folders (``*.yaml``, ``*.yml``, not below)."""
    reading = _Reading()
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix in {".yaml", ".yml"})
            if not found:
                reading.fault(str(path), None, "", "no .yaml or .yml file in this folder")
            for file in found:
                reading.file(file)
        else:
            reading.file(path)
    reading.together()
    return Specs(
        scalers=tuple(reading.scalers.values()),
        pools=tuple(reading.pools.values()),
        faults=tuple(reading.faults),
        warnings=tuple(reading.warnings),
    )


class _Reading:
    def __init__(self) -> None:
        self.scalers: dict[str, AgentScaler] = {}
        self.pools: dict[str, Pool] = {}
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self._places: dict[str, str] = {}
        """Where a workload was first defined."""
        self._wanted: list[tuple[str, yaml.Node, str]] = []

    def fault(self, file: str, node: yaml.Node | None, field: str, message: str) -> None:
        self.faults.append(_fault(file, node, field, message))

    def file(self, path: Path) -> None:
        name = str(path)
        try:
            raw = path.read_bytes()
        except OSError as error:
            self.fault(name, None, "", f"cannot be read: {error.strerror}")
            return
        if len(raw) > MAX_BYTES:
            self.fault(name, None, "", f"{len(raw)} bytes; {MAX_BYTES} is the most a file may have")
            return
        try:
            text = raw.decode("utf-8")
            documents: list[yaml.Node | None] = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
        except UnicodeDecodeError as error:
            self.fault(name, None, "", f"not UTF-8 at byte {error.start}")
            return
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
            text = f"not YAML: {error.problem}"
            self.faults.append(Fault(file=name, line=line, column=column, field="", message=text))
            return
        except (yaml.YAMLError, RecursionError) as error:
            self.fault(name, None, "", f"not YAML: {error}")
            return
        found = [document for document in documents if document is not None]
        if not found:
            self.fault(name, None, "", "no document in this file")
        for document in found:
            self._document(name, document)

    def _document(self, file: str, node: yaml.Node) -> None:
        if not isinstance(node, yaml.MappingNode):
            self.fault(
                file, node, "", "a mapping with apiVersion, kind, metadata and spec is expected"
            )
            return
        if size(node, MAX_NODES) > MAX_NODES:
            self.fault(file, node, "", f"more than {MAX_NODES} values when aliases are expanded")
            return
        content = self._content(file, node)
        if content is None:
            return
        kind = content.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            where = find(node, ("kind",)) or node
            known = " or ".join(KINDS)
            self.fault(file, where, "kind", f"{kind!r} is not known; write {known}")
            return
        try:
            spec = KINDS[kind].model_validate_json(_json(content))
        except ValidationError as error:
            for problem in error.errors():
                self._problem(
                    file, node, problem["loc"], problem["type"], plain(problem), KINDS[kind]
                )
            return
        except (TypeError, ValueError) as error:
            self.fault(file, node, "", f"not expressible as JSON: {error}")
            return
        self._keep(file, node, spec)

    def _content(self, file: str, node: yaml.MappingNode) -> dict[object, object] | None:
        """The document's values; None: it has a fault, which is noted."""
        before = len(self.faults)
        for found, path, message in faulty(node):
            self.fault(file, found, dotted(path), message)
        self._booleans(file, node)
        if len(self.faults) > before:
            return None
        try:
            content: dict[object, object] = yaml.SafeLoader("").construct_document(node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
            text = f"not plain YAML: {error.problem}"
            self.faults.append(Fault(file=file, line=line, column=column, field="", message=text))
        except ValueError as error:
            self.fault(file, node, "", f"not plain YAML: {error}")
        else:
            return content
        return None

    def _keep(self, file: str, node: yaml.Node, spec: AgentScaler | Pool) -> None:
        if isinstance(spec, Pool):
            if spec.metadata.name in self.pools:
                self.fault(
                    file,
                    find(node, ("metadata", "name")),
                    "metadata.name",
                    f"pool {spec.metadata.name} is defined twice",
                )
            self.pools[spec.metadata.name] = spec
            return
        if spec.metadata.namespace == "pool":
            self.fault(
                file,
                find(node, ("metadata", "namespace")),
                "metadata.namespace",
                "the namespace `pool` is kept for pools in foretide.workloads",
            )
        before = self._places.get(spec.workload)
        if before is not None:
            self.fault(
                file,
                find(node, ("metadata", "name")),
                "metadata.name",
                f"workload {spec.workload} is defined twice, first at {before}",
            )
        else:
            self._places[spec.workload] = f"{file}:{node.start_mark.line + 1}"
        self.scalers[spec.workload] = spec
        self._not_yet(file, node, spec)
        if spec.spec.pool is not None:
            self._wanted.append((file, find(node, ("spec", "pool")) or node, spec.spec.pool))

    def _not_yet(self, file: str, node: yaml.Node, spec: AgentScaler) -> None:
        """What is understood and stored, but not acted on by this version."""
        for field, used, what in (
            (
                "target",
                not _kinds(spec) <= set(SCALED),
                f"{'s and '.join(SCALED)}s are scaled; decisions on a target of another kind fail",
            ),
            (
                "drain",
                spec.spec.drain.pod_deletion_cost and _kinds(spec) == {"StatefulSet"},
                "pods of a StatefulSet leave by their number: podDeletionCost changes nothing, and "
                "keepSessions keeps as many pods as have sessions, not those",
            ),
            (
                "target",
                spec.spec.demand.per_replica is None and spec.spec.slo is None,
                "neither demand.perReplica nor slo is given: nothing will be scaled; give one",
            ),
            (
                "fallback",
                spec.spec.fallback.behavior == "currentReplicas"
                and spec.spec.fallback.replicas is not None,
                "behavior currentReplicas does not read replicas",
            ),
            ("vertical", spec.spec.vertical.mode != "Off", "vertical sizing is not done yet"),
            (
                "variants",
                len(spec.spec.variants) > 1,
                "replicas are not yet shared among variants by cost: the first takes what is new",
            ),
        ):
            if used:
                where = find(node, ("spec", field)) or node
                self.warnings.append(_fault(file, where, f"spec.{field}", what))

    def together(self) -> None:
        """What only shows over all files."""
        for file, node, pool in self._wanted:
            if pool not in self.pools:
                self.warnings.append(
                    _fault(
                        file,
                        node,
                        "spec.pool",
                        f"pool {pool} is not defined in these files; undefined, it limits nothing",
                    )
                )

    def _problem(
        self,
        file: str,
        node: yaml.Node,
        loc: Sequence[str | int],
        kind: str,
        message: str,
        model: type[AgentScaler | Pool],
    ) -> None:
        # pydantic's own parts are not the user's; the last of an unknown field is.
        named = loc[-1:] if kind == "extra_forbidden" else ()
        path: Path_ = (
            *(part for part in loc[: len(loc) - len(named)] if not _pydantics(part)),
            *named,
        )
        where, known = deepest(node, path)
        if kind == "extra_forbidden":
            name = str(path[-1])
            message = f"unknown field {name!r}{_instead(name, _names(model, path[:-1]))}"
        elif kind == "missing":
            message = f"{path[-1]!r} is missing"
        self.fault(file, where, dotted(known if kind != "missing" else path), message)

    def _booleans(self, file: str, node: yaml.MappingNode) -> None:
        """An unquoted Off is a YAML boolean: the commonest fault of all deserves its own words."""
        found = find(node, ("spec", "vertical", "mode"))
        if isinstance(found, yaml.ScalarNode) and found.tag == "tag:yaml.org,2002:bool":
            self.fault(
                file,
                found,
                "spec.vertical.mode",
                f'unquoted {found.value} is a boolean in YAML; write "Off" with quotes',
            )


def _kinds(spec: AgentScaler) -> set[str]:
    """What its targets are."""
    return {ref.target.kind for ref in targets(spec)}


def _pydantics(part: str | int) -> bool:
    return str(part).startswith(("function-", "constrained"))


def _instead(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(known)}" if known else ""


def _names(model: type[AgentScaler | Pool], path: Path_) -> list[str]:
    """Names that a mapping at ``path`` may have, as users write them."""
    whole = model.model_json_schema(by_alias=True)

    def meant(schema: dict[str, Any]) -> dict[str, Any]:
        for found in [schema, *schema.get("anyOf", ())]:
            if "$ref" in found:
                definition: dict[str, Any] = whole["$defs"][found["$ref"].rpartition("/")[2]]
                return definition
            if "items" in found:
                return dict(found)
        return schema

    at: dict[str, Any] = whole
    for part in path:
        of = meant(at)
        at = (
            of.get("items", {}) if isinstance(part, int) else of.get("properties", {}).get(part, {})
        )
    return sorted(meant(at).get("properties", {}))


def _fault(file: str, node: yaml.Node | None, field: str, message: str) -> Fault:
    mark = None if node is None else node.start_mark
    line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
    return Fault(file=file, line=line, column=column, field=field, message=message)


def _json(content: object) -> bytes:
    import orjson  # noqa: PLC0415 - not needed where there is no spec to read

    return orjson.dumps(content)
