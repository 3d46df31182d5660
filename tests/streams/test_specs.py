"""Spec files: every fault with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from actuators.kubernetes.client import PLURALS
from streams.cli import group
from streams.specs import effective, read_specs
from streams.specs.files import SCALED

EXAMPLES = Path(__file__).parents[2] / "examples"

HEAD = """\
apiVersion: foretide.dev/v1alpha1
kind: AgentScaler
metadata: {name: bot, namespace: prod}
spec:
  target: {kind: Deployment, name: bot}
"""


def faults(tmp_path: Path, text: str | bytes) -> list[str]:
    path = tmp_path / "spec.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [str(fault).replace(str(path), "F") for fault in read_specs([path]).faults]


def test_the_examples_have_no_faults_and_no_warnings() -> None:
    found = read_specs([EXAMPLES])
    assert not found.faults
    assert not found.warnings
    assert found.scalers


def test_all_faults_at_once_each_with_its_line_and_field(tmp_path: Path) -> None:
    text = (
        HEAD
        + "  replcas: {min: 1}\n  replicas: {min: 9, max: 3}\n"
        + "  weight: heavy\n  slo: {violations: 2}\n"
    )
    found = faults(tmp_path, text)
    assert len(found) == 5
    assert any(f.startswith("F:9:21: spec.slo.violations:") for f in found)
    assert any("F:6:" in f and "did you mean 'replicas'" in f for f in found)
    assert any("F:7:" in f and "replicas.min 9 is above replicas.max 3" in f for f in found)
    assert any("F:8:11: spec.weight:" in f for f in found)
    assert any("'latencySeconds' is missing" in f for f in found)


def test_an_unquoted_off_has_an_error_of_its_own(tmp_path: Path) -> None:
    (found,) = faults(tmp_path, HEAD + "  vertical: {mode: Off}\n")
    assert (
        found
        == 'F:6:20: spec.vertical.mode: unquoted Off is a boolean in YAML; write "Off" with quotes'
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no document"),
        ("- 1\n", "a mapping"),
        ("a: [1\n", "not YAML"),
        ("a:\n\t- b\n", "not YAML"),
        (b"\xff\xfe\x00", "not UTF-8"),
        ("kind: Deployment\n", "AgentScaler or Pool"),
        (HEAD + "  weight: 1.0\n  weight: 2.0\n", "twice"),
        (HEAD + "---\n" + HEAD, "workload prod/bot is defined twice, first at F:1"),
        (HEAD + "  weight: yes\n", "must be a number, not true"),
        (HEAD.replace("name: bot", "name: " + "b" * 260), "text of at most so many characters: "),
        (HEAD.replace("namespace: prod", "namespace: pool"), "kept for pools"),
        (HEAD + "  weight: .nan\n", "F:6:11: spec.weight: must be a finite number, not .nan"),
        (HEAD + "  demand: {perReplica: .NaN}\n", "perReplica: must be a finite number, not .NaN"),
        (HEAD + "  costPerHour: -.Inf\n", "spec.costPerHour: must be a finite number, not -.Inf"),
        (HEAD + "  weight: " + "9" * 400 + ":30.\n", "spec.weight: must be a finite number"),
        (HEAD + '  weight: !!float ".in_f"\n', "must be a finite number, not .in_f"),
        (HEAD + '  weight: !!float ""\n', "F:6:11: spec.weight: not plain YAML: '' is no float"),
        (HEAD + "  weight: !!bool maybe\n", "spec.weight: not plain YAML: 'maybe' is no bool"),
        (HEAD + "  weight: !!timestamp x\n", "spec.weight: not plain YAML: 'x' is no timestamp"),
        (HEAD + "  replicas: {max: 010}\n", "replicas.max: 010 is 8 to YAML; write the number"),
        (HEAD + "  replicas: {max: 1:30}\n", "replicas.max: 1:30 is 90 to YAML; write the num"),
        (HEAD + "  weight: 1.0e+999\n", "spec.weight: must be a finite number, not 1.0e+999"),
        (HEAD + "  variants: [{name: a, target: {name: b}}]\n", "either target or variants"),
        (HEAD + "  fallback: {behavior: static}\n", "fallback.replicas is needed"),
        ("x: " + "y" * 1_100_000, "bytes"),
        ("kind: [AgentScaler]\n", "kind: ['AgentScaler'] is not known; write AgentScaler or Pool"),
        ("kind: AgentScaler\n? [1]\n: 2\n", "F:2:3: not plain YAML: found unhashable key"),
        ("kind: !!python/name:os.x y\n", "F:1:7: not plain YAML"),
        (
            "kind: Pool\nmade: 2024-13-45\n",
            "made: not plain YAML: '2024-13-45' is no timestamp (month must be in 1..12)",
        ),
        (HEAD + "  weight: heavy\n", "must be a number, not 'heavy'"),
        (
            HEAD + "  slo: {latencySeconds: 1, violations: 1}\n",
            "violations: must be less than 1 (a share: 1 % is 0.01), not 1",
        ),
        (HEAD + "  replicas: {min: 1.5}\n", "replicas.min: must be a whole number, not 1.5"),
        (HEAD + "  slo: {latencySeconds: 1, seconds: 3}\n", "'seconds'; there are: latencySecon"),
        (
            HEAD + "  behavior: {scaleUp: {policies: [{typ: Pods, value: 1, periodSeconds: 9}]}}\n",
            "spec.behavior.scaleUp.policies[0].type: 'type' is missing",
        ),
        (
            HEAD + "  schedules: [{start: 0 8 * * *, end: 0 9 * * *, where: UTC}]\n",
            "unknown field 'where'; there are: end, max, min, start, timezone",
        ),
        (HEAD + "function-x: 1\n", "unknown field 'function-x'; there are: apiVersion, kind"),
        (HEAD + "  constrained: 1\n", "unknown field 'constrained'; there are: behavior,"),
        (HEAD + "  replicas: {mim: 1}\n", "unknown field 'mim'; did you mean 'min'?"),
        (HEAD + "  replicas: 5\n", "F:6:13: spec.replicas: must be a mapping, not 5"),
    ],
)
def test_nonsense_is_told_apart(tmp_path: Path, text: str | bytes, says: str) -> None:
    found = faults(tmp_path, text)
    assert found
    assert says in found[0]


def test_a_billion_laughs_are_refused(tmp_path: Path) -> None:
    rows = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (found,) = faults(tmp_path, "\n".join(rows))
    assert "aliases" in found


def test_a_pool_that_nobody_defined_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(HEAD + "  pool: gpu\n")
    found = read_specs([path])
    assert not found.faults
    assert "pool gpu is not defined" in found.warnings[-1].message


def test_a_spec_that_nothing_can_be_scaled_by_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(HEAD)
    (found,) = read_specs([path]).warnings
    assert "nothing will be scaled" in found.message


def test_the_effective_spec_says_what_is_learned() -> None:
    found = read_specs([EXAMPLES / "support-bot.yaml"])
    text = effective(found.scalers[0])
    assert "perReplica: 8.0" in text
    assert "# policies: no limit on a step" in text


def test_what_is_left_out_of_demand_is_learned(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(HEAD + "  slo: {latencySeconds: 2}\n")
    text = effective(read_specs([path]).scalers[0])
    assert "# unit: learned: requests, until another foretells slow requests better" in text
    assert "# perReplica: learned where there is an slo" in text
    path.write_text(HEAD + "  slo: {latencySeconds: 2}\n  demand: {unit: tokens}\n")
    assert "unit: tokens" in effective(read_specs([path]).scalers[0])
    path.write_text(HEAD)
    assert "unit: concurrency" in effective(read_specs([path]).scalers[0])


def test_what_is_given_of_one_variant_is_in_the_units_default(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    variants = "variants: [{name: a, target: {name: a}%s}, {name: b, target: {name: b}}]"
    for given, shown in (("", "# unit: learned"), (", perReplica: 8", "unit: concurrency")):
        path.write_text(
            "apiVersion: foretide.dev/v1alpha1\nkind: AgentScaler\n"
            "metadata: {name: bot, namespace: prod}\n"
            f"spec:\n  {variants % given}\n  slo: {{latencySeconds: 2}}\n"
        )
        assert shown in effective(read_specs([path]).scalers[0])


def test_check_exits_by_what_it_found(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(group, ["check", str(EXAMPLES)]).exit_code == 0
    bad = tmp_path / "bad.yaml"
    bad.write_text(HEAD + "  mode: Aktive\n")
    result = runner.invoke(group, ["check", str(bad)])
    assert result.exit_code == 1
    assert "spec.mode" in result.output


def test_kinds_that_are_warned_of_are_those_that_the_actuator_refuses() -> None:
    assert set(SCALED) == set(PLURALS)
