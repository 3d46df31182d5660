"""What is generated, and what is said twice, is equal to the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from models.domain.spec import ScalerSpec
from streams import codec
from streams.schemas import schemas, text
from streams.settings import Settings
from streams.topics import EQUAL, TABLE, faults

ROOT = Path(__file__).parents[2]

EXAMPLES = [
    '{"v":1,"kind":"request","workload":"prod/support-bot","at":1700000000.123,"phase":"finished",'
    '"latency_s":0.84,"tokens_in":1200,"tokens_out":310,"status":"ok","tenant":"acme",'
    '"variant":"a100","pod":"support-bot-7d4","session":"s-81"}',
    '{"v":1,"kind":"resource","workload":"prod/support-bot","at":1700000000.5,'
    '"pod":"support-bot-7d4","cpu_cores":3.1,"memory_bytes":9.1e9,"gpu_ratio":0.71,'
    '"gpu_memory_bytes":6.2e10,"queue_depth":4,"in_flight":12,"kv_cache_ratio":0.63}',
    '{"v":1,"kind":"replicas","workload":"prod/support-bot","at":1700000001.0,"desired":6,'
    '"ready":5,"starting":1,"started_s":[41.2]}',
]


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_committed_schemas_are_those_of_the_code(name: str) -> None:
    committed = (ROOT / "schemas" / f"{name}.json").read_text()
    assert committed == text(schemas()[name]), "run `make schemas`"


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_design_s_records_are_valid_and_decode(example: str) -> None:
    jsonschema.validate(json.loads(example), schemas()["telemetry"])
    decoded = codec.telemetry(example.encode(), 1700000000.0)
    assert not decoded.rejected
    assert not decoded.unknown


def test_asyncapi_names_every_topic() -> None:
    assert set(schemas()["asyncapi"]["channels"]) == set(TABLE)


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_compose_is_whole() -> None:
    services = compose()["services"]
    assert {"kafka", "kubernetes", "prometheus", "foretide", "publisher"} <= set(services)
    for name, service in services.items():
        assert "healthcheck" in service or service.get("restart") == "no", name
        image = service.get("image", "")
        assert "latest" not in image, name
        assert ":" in image or "build" in service, name
        for other in service.get("depends_on", {}):
            assert other in services, (name, other)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if not source.startswith((".", "/")):
                assert source in compose()["volumes"], (name, source)


def test_compose_s_environment_is_the_code_s_defaults_or_says_why() -> None:
    """A value in docker-compose.yml that differs from the default stands behind a comment."""
    environment = compose()["services"]["foretide"]["environment"]
    raw = (ROOT / "docker-compose.yml").read_text()
    for name, value in environment.items():
        field = name.removeprefix("FORETIDE_").lower()
        assert field in Settings.model_fields, name
        if str(value) != str(Settings.model_fields[field].default):
            assert re.search(rf"# .*\n\s+{name}:", raw), f"{name} differs and does not say why"


def test_the_readme_s_table_of_settings_is_the_code() -> None:
    rows = re.findall(
        r"^\| `FORETIDE_(\w+)` \| `?(.*?)`? \| (.*?) \|$",
        (ROOT / "README.md").read_text(),
        re.MULTILINE,
    )
    table = {name.lower(): (default, text) for name, default, text in rows}
    assert set(table) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = ",".join(default) if isinstance(default, tuple) else str(default)
        assert table[name] == ("" if default is None else shown, field.description), name


def test_partition_counts_must_be_equal_where_keys_are_shared() -> None:
    counts: dict[Any, int | None] = dict.fromkeys(TABLE, 4)
    assert faults(counts, Settings()) == []
    counts["decisions"] = 8
    (fault,) = faults(counts, Settings())
    assert "must be equal" in fault
    counts["load"] = None
    assert "foretide.load does not exist" in faults(counts, Settings())[0]
    assert "load" in EQUAL


def test_no_file_names_a_host_of_a_registry() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--hash=sha256:" in lock


def test_the_reference_names_every_field_of_the_spec() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text()
    for name, field in ScalerSpec.model_fields.items():
        assert f"`{field.alias or name}" in reference, name
