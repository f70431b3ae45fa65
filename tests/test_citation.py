"""CITATION.cff is YAML with what the format (1.2.0) requires, and names the version of the package."""

from pathlib import Path

import yaml

from metastructure import __version__

ROOT = Path(__file__).parents[1]


def test_the_citation_file() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["cff-version"] == "1.2.0"
    assert cited["version"] == __version__
    for reference in cited["references"]:
        assert {"type", "title", "authors"} <= set(reference)
    paper = cited["references"][0]
    assert [author["family-names"] for author in paper["authors"]] == ["Luo", "Liu", "Guo", "Yang"]
    assert (paper["year"], paper["conference"]["name"]) == (2022, "AAAI 2022")
    assert paper["identifiers"][0]["value"] == "arXiv:2103.11594"
