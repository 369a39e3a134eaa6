"""Manifests against the schemas of two versions of Kubernetes; the chart says the same as the overlays.

A Kubernetes API is not to be had in tests: what only an API server checks is not checked here.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from maskery.core.errors import ConfigError
from maskery.core.settings import Settings
from maskery.packaging.manifest import Manifest
from maskery.packaging.targets import write_package

VERSIONS = ("1.33", "1.37")
Document = dict[str, Any]
MANIFEST = Manifest(
    name="masks",
    image="registry.example:5000/team/masks:7",
    port=9000,
    cpu=1.5,
    memory="1GiB",
    replicas=2,
    max_replicas=6,
    concurrency=3,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kubernetes") / "out"
    write_package("kubernetes", out, MANIFEST, Settings())
    return out


def valid(document: Document) -> Document:
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)
    return document


def base(folder: Path) -> list[Document]:
    names = ("deployment", "service", "disruption", "network")
    documents = [yaml.safe_load((folder / "base" / f"{name}.yaml").read_text()) for name in names]
    kustomization = yaml.safe_load((folder / "base" / "kustomization.yaml").read_text())
    (image,) = kustomization["images"]
    container = documents[0]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == image["name"]
    container["image"] = f"{image['newName']}:{image['newTag']}"  # as kustomize does
    return documents


def rendered(chart: Path, **changed: Any) -> list[Document]:
    """The chart's documents: values, ``if`` and ``if not``, which is all of Helm's language that it uses."""
    values = yaml.safe_load((chart / "values.yaml").read_text()) | changed
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    known = {"Values": values, "Release": {"Name": "masks"}, "Chart": {"AppVersion": about["appVersion"]}}

    def value(path: str) -> Any:
        found: Any = known
        for part in path.strip(".").split("."):
            found = found[part]
        return found

    documents = []
    for template in sorted((chart / "templates").glob("*.yaml")):
        lines: list[str] = []
        kept = [True]
        for line in template.read_text().splitlines():
            if match := re.fullmatch(r"\s*\{\{- if (not )?(\S+) \}\}", line):
                kept.append(kept[-1] and bool(value(match[2])) is not bool(match[1]))
            elif re.fullmatch(r"\s*\{\{- end \}\}", line):
                kept.pop()
            elif kept[-1]:
                lines.append(re.sub(r"\{\{ (\S+) \}\}", lambda found: str(value(found[1])), line))
        assert kept == [True]
        assert "{{" not in "\n".join(lines)
        if any(lines):
            documents.append(yaml.safe_load("\n".join(lines)))
    return documents


def by_kind(documents: list[Document]) -> dict[str, Document]:
    return {document["kind"]: document for document in documents}


def test_the_base_is_valid_and_confined(folder: Path) -> None:
    kinds = by_kind([valid(document) for document in base(folder)])
    assert set(kinds) == {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["requests"] == {"cpu": "1500m", "memory": "1024Mi"}
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "1024Mi"}
    assert container["ports"][0]["containerPort"] == 9000
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert kinds["NetworkPolicy"]["spec"]["egress"] == []
    assert "Egress" in kinds["NetworkPolicy"]["spec"]["policyTypes"]


def test_the_validation_refuses_what_is_wrong(folder: Path) -> None:
    deployment = base(folder)[0]
    deployment["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        valid(deployment)


def test_the_autoscaler_is_valid_and_asks_for_a_metric_that_there_is(folder: Path) -> None:
    text = (folder / "overlays" / "autoscaling" / "autoscaler.yaml").read_text()
    scaler = valid(yaml.safe_load(text))
    metric = scaler["spec"]["metrics"][0]["pods"]
    assert metric["target"]["averageValue"] == "3"
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 6)
    page = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()
    assert f"`{metric['metric']['name']}`" in page
    assert metric["metric"]["name"] in (folder / "overlays" / "autoscaling" / "adapter-rule.yaml").read_text()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("overlay", ["cpu", "gpu", "autoscaling"])
def test_kubectl_builds_every_overlay(folder: Path, overlay: str) -> None:
    command = ["kubectl", "kustomize", str(folder / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kinds = by_kind([valid(one) for one in yaml.safe_load_all(done.stdout)])
    container = kinds["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry.example:5000/team/masks:7"
    assert ("nvidia.com/gpu" in container["resources"]["limits"]) == (overlay == "gpu")
    assert ("replicas" in kinds["Deployment"]["spec"]) == (overlay != "autoscaling")


def test_the_chart_says_the_same_as_the_base(folder: Path) -> None:
    assert by_kind(rendered(folder / "chart")) == by_kind(base(folder))


def test_the_chart_is_valid_with_all_switched_on(folder: Path) -> None:
    scaling = {"enabled": True, "maxReplicas": 6, "queueLength": 3}
    kinds = by_kind([valid(one) for one in rendered(folder / "chart", gpu=True, autoscaling=scaling)])
    autoscaler = yaml.safe_load((folder / "overlays" / "autoscaling" / "autoscaler.yaml").read_text())
    assert kinds["HorizontalPodAutoscaler"] == autoscaler
    assert "replicas" not in kinds["Deployment"]["spec"]
    assert (
        kinds["Deployment"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    )
    assert "NetworkPolicy" not in by_kind(rendered(folder / "chart", networkPolicy=False))


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
def test_helm_renders_the_same(folder: Path) -> None:
    subprocess.run(["helm", "lint", str(folder / "chart")], capture_output=True, check=True)
    done = subprocess.run(
        ["helm", "template", "masks", str(folder / "chart")], capture_output=True, text=True, check=True
    )
    assert by_kind(list(yaml.safe_load_all(done.stdout))) == by_kind(base(folder))


def test_kserve_speaks_the_open_inference_protocol(folder: Path) -> None:
    runtime = yaml.safe_load((folder / "kserve" / "servingruntime.yaml").read_text())
    service = yaml.safe_load((folder / "kserve" / "inferenceservice.yaml").read_text())
    formats = [one["name"] for one in runtime["spec"]["supportedModelFormats"]]
    model = service["spec"]["predictor"]["model"]
    assert model["modelFormat"]["name"] in formats
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    (container,) = runtime["spec"]["containers"]
    valid(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "of-kserve"},
            "spec": {"containers": json.loads(json.dumps([container]))},
        }
    )


def test_an_image_without_a_tag_is_refused(tmp_path: Path) -> None:
    for image in ("masks", "registry.example:5000/masks"):
        with pytest.raises(ConfigError, match="has no tag"):
            write_package("kubernetes", tmp_path / "out", Manifest(image=image), Settings())
