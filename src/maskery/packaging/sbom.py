"""What a release consists of: a bill of materials (CycloneDX 1.6) and a report of licences, of packages and weights."""

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution
from typing import Any

from packaging.utils import canonicalize_name

from maskery.core.card import ModelCard
from maskery.core.version import __version__

GPL = re.compile(r"\bA?GPL", re.IGNORECASE)
CLASSIFIER = "License :: OSI Approved :: "


def licence_of_package(distribution: Distribution) -> str:
    """By its metadata: License-Expression, else License where that is a name, else its classifiers."""
    about = distribution.metadata
    for key in ("License-Expression", "License"):
        named = str(about[key]) if key in about else ""
        if named and "\n" not in named and len(named) < 60:
            return named
    classified = [line.removeprefix(CLASSIFIER) for line in about.get_all("Classifier") or () if CLASSIFIER in line]
    return " AND ".join(classified) or "unknown"


def bill_of_materials(distributions: Sequence[Distribution], cards: Iterable[ModelCard]) -> dict[str, Any]:
    """A CycloneDX 1.6 document: Maskery, the packages that it runs on, and the weights with their sha256.

    The same input gives the same document: it has neither a time nor a random serial number.
    """
    others = [one for one in distributions if _name(one) != "maskery"]
    application = {
        "type": "application",
        "bom-ref": f"pkg:pypi/maskery@{__version__}",
        "name": "maskery",
        "version": __version__,
        "purl": f"pkg:pypi/maskery@{__version__}",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    weights = [_weights(card, index) for card in cards for index in range(len(card.networks))]
    components = [*(_package(one) for one in others), *weights]
    needed = sorted(component["bom-ref"] for component in components)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": application},
        "components": components,
        "dependencies": [{"ref": application["bom-ref"], "dependsOn": needed}],
    }


def licence_report(distributions: Sequence[Distribution], cards: Iterable[ModelCard]) -> str:
    """Markdown: a row a package, a row a model with its terms and where its pictures came from."""
    rows = [f"| {_name(one)} | {one.version} | {licence_of_package(one)} |" for one in distributions]
    lines = ["# Licences", "", "## Packages", "", "| package | version | licence |", "|---|---|---|", *rows]
    if copyleft := [_name(one) for one in distributions if GPL.search(licence_of_package(one))]:
        lines += ["", f"Copyleft: {', '.join(copyleft)}."]
    lines += ["", "## Weights", "", "| model | licence | commercial use | copyleft | note |", "|---|---|---|---|---|"]
    for card in cards:
        terms = card.licence
        use, copy = ("yes" if flag else "no" for flag in (terms.commercial_use, terms.copyleft))
        lines.append(f"| {card.name} {card.version} | {terms.name} | {use} | {copy} | {terms.note} |")
    return "\n".join([*lines, ""])


def _name(distribution: Distribution) -> str:
    return str(canonicalize_name(distribution.metadata["Name"]))


def _package(distribution: Distribution) -> dict[str, Any]:
    purl = f"pkg:pypi/{_name(distribution)}@{distribution.version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": _name(distribution),
        "version": distribution.version,
        "purl": purl,
        "licenses": [{"license": {"name": licence_of_package(distribution)}}],
    }


def _weights(card: ModelCard, index: int) -> dict[str, Any]:
    network = card.networks[index]
    found: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": f"weights:{card.name}@{card.version}/{network.file}",
        "name": f"{card.name}/{network.file}",
        "version": card.version,
        "description": card.description,
        "hashes": [{"alg": "SHA-256", "content": network.sha256}],
        "licenses": [{"license": {"name": card.licence.name}}],
    }
    if network.url:
        found["externalReferences"] = [{"type": "distribution", "url": network.url}]
    return found
