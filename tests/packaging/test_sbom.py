"""Bills of materials and licences of what is installed and built in."""

import importlib.metadata
import json

from maskery.models.card_toml import load_card
from maskery.models.catalog import builtin, catalog
from maskery.packaging.sbom import bill_of_materials, licence_of_package, licence_report
from maskery.packaging.wheels import closure

CARDS = [load_card(folder / "model.toml") for folder in builtin().values()]


def test_the_bill_names_every_package_and_every_weight_once() -> None:
    bill = bill_of_materials(closure(), CARDS)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    refs = [component["bom-ref"] for component in bill["components"]]
    assert len(refs) == len(set(refs))
    assert any(ref.startswith("pkg:pypi/numpy@") for ref in refs)
    assert not any("pypi/maskery" in ref for ref in refs)
    assert bill["dependencies"][0]["dependsOn"] == sorted(refs)
    hashes = {one["hashes"][0]["content"] for one in bill["components"] if one["type"] == "machine-learning-model"}
    assert hashes == {network.sha256 for card in CARDS for network in card.networks}
    assert json.dumps(bill) == json.dumps(bill_of_materials(closure(), CARDS))


def test_no_package_of_the_core_is_without_a_licence_or_copyleft() -> None:
    licences = {one.metadata["Name"]: licence_of_package(one) for one in closure()}
    assert not [name for name, licence in licences.items() if licence == "unknown" or "GPL" in licence]
    assert licences["click"] == "BSD-3-Clause"


def test_the_report_says_the_terms_of_weights() -> None:
    copyleft = next(card for card in catalog().values() if card.licence.copyleft)
    text = licence_report([importlib.metadata.distribution("click")], [*CARDS, copyleft])
    assert "| click |" in text
    assert f"| {copyleft.name} {copyleft.version} | {copyleft.licence.name} |" in text
    for card in CARDS:
        use = "yes" if card.licence.commercial_use else "no"
        assert f"| {card.name} {card.version} | {card.licence.name} | {use} | no |" in text
