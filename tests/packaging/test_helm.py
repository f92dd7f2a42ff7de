"""The chart for Kubernetes, rendered: who runs, holds which secret, may reach whom, follows what."""

from __future__ import annotations

import importlib.util
import json
import shlex
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from hms_floor import cli
from hms_oms.documents.queues import Queue
from hms_oms.runtime import settings
from tests.packaging import helm

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "hms"
HELM = helm.find()
EVERYTHING = CHART / "ci" / "everything-values.yaml"

pytestmark = pytest.mark.skipif(HELM is None, reason="helm is not there: `make helm` fetches it")

Documents = list[dict[str, Any]]


def render(*words: str) -> subprocess.CompletedProcess[str]:
    """Render the chart."""
    command = [HELM or "helm", "template", "prod", str(CHART), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module", params=["defaults", "everything"])
def documents(request: pytest.FixtureRequest) -> Documents:
    """What the chart makes of its defaults, and with everything in use."""
    done = render(*(["-f", str(EVERYTHING)] if request.param == "everything" else []))
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def kinds(documents: Documents, kind: str) -> dict[str, dict[str, Any]]:
    """The documents of a kind, by component."""
    rows = [document for document in documents if document["kind"] == kind]
    return {document["metadata"]["labels"]["app.kubernetes.io/component"]: document for document in rows}


def pods(documents: Documents) -> dict[str, dict[str, Any]]:
    """The pod of each component."""
    result = kinds(documents, "Deployment") | kinds(documents, "Job")
    return {component: document["spec"]["template"]["spec"] for component, document in result.items()}


def test_kubernetes_takes_every_document(documents: Documents) -> None:
    """By its own schemas, without a field that it does not know."""
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.skip("Kubernetes' schemas are not there: `make helm` fetches them")
    import kubernetes_validate

    for document in documents:
        if not document["apiVersion"].startswith("keda"):
            kubernetes_validate.validate(document, "1.33", strict=True)


def test_no_pod_has_more_rights_than_it_needs(documents: Documents) -> None:
    """Not root, nothing writable but its own folders, no capability, no account of the cluster."""
    assert {"dispatcher", "watch", "floor", "flower", "migrate", "worker-farm-grant"} <= pods(
        documents
    ).keys()
    for pod in pods(documents).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"] is not None


def test_secrets_are_files_where_they_are_needed_and_nowhere_else(documents: Documents) -> None:
    """The badge key is in the API, the provider's in watch and API; no secret is a variable."""
    held = {}
    for component, pod in pods(documents).items():
        [container] = pod["containers"]
        names = {entry["name"] for entry in container["env"]}
        assert {name.removesuffix("_FILE") for name in names} <= set(settings.known_names())
        assert not any("secretKeyRef" in str(entry) for entry in container["env"])
        [volume] = [volume for volume in pod["volumes"] if volume["name"] == "secrets"]
        held[component] = {item["path"] for item in volume["secret"]["items"]}
        for entry in container["env"]:
            if entry["name"].endswith("_FILE"):
                assert entry["value"].removeprefix("/run/secrets/hms/") in held[component]
    assert all({"database-url", "broker-url"} <= files for files in held.values())
    assert {component for component, files in held.items() if "badge-key" in files} <= {"floor"}
    assert {component for component, files in held.items() if "flower-password" in files} == {"flower"}
    texts = {component for component, files in held.items() if "twilio-auth-token" in files}
    assert texts in (set(), {"watch", "floor"})


def test_commands_and_probes_exist(documents: Documents) -> None:
    """What is run and asked are verbs of the command line, and everything but a job is probed."""
    for component, pod in pods(documents).items():
        [container] = pod["containers"]
        probes = [container.get(f"{kind}Probe") for kind in ("liveness", "readiness")]
        assert all(probes) or component == "migrate"
        for words in (container["command"], *(probe["exec"]["command"] for probe in probes if _asks(probe))):
            if words[0] == "hms":
                noun = cli.main.get_command(click.Context(cli.main), words[1])
                assert isinstance(noun, click.Group)
                assert words[2] in noun.commands


def _asks(probe: Any) -> bool:
    return bool(probe) and "exec" in probe


def test_every_selector_selects_its_pods(documents: Documents) -> None:
    """Services, budgets and policies mean pods that there are; one pod of a kind is taken away at a time."""
    labels = [
        document["spec"]["template"]["metadata"]["labels"]
        for document in documents
        if document["kind"] in ("Deployment", "Job")
    ]
    for document in documents:
        spec = document.get("spec", {})
        selector = {
            "Service": lambda spec: spec["selector"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
            "Deployment": lambda spec: spec["selector"]["matchLabels"],
        }.get(document["kind"])
        if selector is not None:
            chosen = selector(spec)
            assert [label for label in labels if chosen.items() <= label.items()], document["metadata"][
                "name"
            ]
    budgets = kinds(documents, "PodDisruptionBudget")
    assert budgets.keys() == pods(documents).keys() - {"migrate", "flower"}
    assert all(budget["spec"]["maxUnavailable"] == 1 for budget in budgets.values())


def test_nobody_is_reached_but_the_api_and_flower(documents: Documents) -> None:
    """The policy of all pods lets nobody in; two more open one port each."""
    policies = [document["spec"] for document in documents if document["kind"] == "NetworkPolicy"]
    [everybody] = [spec for spec in policies if spec["policyTypes"] == ["Ingress", "Egress"]]
    assert "ingress" not in everybody
    ports = [rule["ports"] for spec in policies for rule in spec.get("ingress", [])]
    assert sorted(port["port"] for rule in ports for port in rule) == [5555, 8080]


def test_the_autoscaler_follows_a_field_that_the_api_has() -> None:
    """From the queue's document, with a badge; the deployment leaves its number of pods to it."""
    done = render("-f", str(EVERYTHING))
    documents: Documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    [scaled] = [document for document in documents if document["kind"] == "ScaledObject"]
    [trigger] = scaled["spec"]["triggers"]
    assert trigger["metadata"]["valueLocation"] == "slotsToHave"
    assert "slots_to_have" in Queue.__dataclass_fields__
    assert trigger["metadata"]["url"].endswith(":80/queues/farm-grant")
    assert trigger["metadata"]["targetValue"] == "8"
    [followed] = [
        document["spec"]
        for document in documents
        if document["metadata"]["name"] == scaled["spec"]["scaleTargetRef"]["name"]
        and document["kind"] == "Deployment"
    ]
    assert "replicas" not in followed
    command = followed["template"]["spec"]["containers"][0]["command"]
    assert shlex.join(command).endswith("-Q farm-grant,farm-appeal")
    [access] = [document for document in documents if document["kind"] == "TriggerAuthentication"]
    assert access["metadata"]["name"] == trigger["authenticationRef"]["name"]


@pytest.mark.parametrize(
    "wrong",
    [
        "settings.HMS_DATABASE_URL=postgresql://x",
        "floor.replica=3",
        "workers[0].pool=fibers",
        "secret.name=A B",
    ],
)
def test_wrong_values_are_refused(wrong: str) -> None:
    """By the schema, before anything is applied; a secret has no place among them."""
    done = render("--set", wrong)
    assert done.returncode != 0
    assert "values" in done.stderr


def test_the_chart_has_the_version_of_the_product() -> None:
    """So that the image that it names by default is that of the same release."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == version("hms-management-layer")
    assert json.loads((CHART / "values.schema.json").read_text())["additionalProperties"] is False
