"""Study files: what is written is what is meant, identities follow it, mistakes are told in one line."""

from pathlib import Path

import pytest

from metastructure.errors import ConfigError
from metastructure.study import RunSpec, Store, StudySpec, load_study
from metastructure.study.demo import demo_study


def test_the_grid_has_every_combination_once(study: StudySpec) -> None:
    runs = list(study.runs())
    assert [(run.noise, run.seed) for run in runs] == [("clean", 0), ("flip:0.3", 0), ("clean", 1), ("flip:0.3", 1)]
    assert len({run.identity for run in runs}) == 4


def test_identity_is_pinned(study: StudySpec) -> None:
    # Records on disk are found by this number. If it changes, raise IDENTITY_FORMAT and say why in docs/decisions.
    assert next(study.runs()).identity == "1434850066ca8b2f"


def _identity(study: StudySpec, **changes: object) -> str:
    return RunSpec.model_validate(next(study.runs()).model_dump() | changes).identity


def test_identity_follows_what_the_result_depends_on(study: StudySpec) -> None:
    base = _identity(study)
    others = [
        _identity(study, seed=5),
        _identity(study, noise="flip:0.31"),
        _identity(study, data_name="other"),
        _identity(study, network={"name": "unet"}),
        _identity(study, training={"epochs": 3}),
        _identity(study, data={"generate": {"kind": "mito"}}),
        _identity(study, draw="online"),
    ]
    assert len({base, *others}) == 8


def test_a_field_at_its_default_does_not_change_an_identity(study: StudySpec) -> None:
    # so that a field added later, with a default, keeps the records of today
    assert _identity(study, draw="fixed", training={"epochs": 2, "batch_size": 2, "crop_px": 32}) == _identity(
        study, training={"epochs": 2, "batch_size": 2, "crop_px": 32, "augment": "dihedral", "precision": "32-true"}
    )


def test_identity_does_not_follow_paths_or_spelling(study: StudySpec) -> None:
    here, there = ({"folder": path, "num_classes": 2} for path in ("/a", "/b"))
    assert _identity(study, data=here) == _identity(study, data=there)
    assert _identity(study, noise="flip: 0.30") == _identity(study, noise={"family": "flip", "rate": 0.3})


def test_recipes_change_the_training_and_their_names_nothing(study: StudySpec) -> None:
    content = study.model_dump() | {"recipes": {"plain": {}, "soft": {"target": "density", "epochs": 7}}}
    both = StudySpec.model_validate(content)
    runs = list(both.runs())
    assert len(runs) == 2 * len(list(study.runs()))
    plain, soft = ([run for run in runs if run.recipe == name] for name in ("plain", "soft"))
    assert [run.identity for run in plain] == [run.identity for run in study.runs()]
    assert {(run.training.target, run.training.epochs) for run in soft} == {("density", 7)}
    assert not {run.identity for run in soft} & {run.identity for run in plain}
    renamed = StudySpec.model_validate(content | {"recipes": {"a": {}, "b": content["recipes"]["soft"]}})
    assert [run.identity for run in renamed.runs()] == [run.identity for run in runs]
    assert ["soft" in run.title for run in runs] == [run.recipe == "soft" for run in runs]
    assert ["plain" in run.title for run in runs] == [run.recipe == "plain" for run in runs]


def test_one_noise_needs_no_list(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: s\ndata: {a: /x}\nnoises: flip:0.3\n", encoding="utf-8")
    assert load_study(tmp_path / "s.yaml").noises == ("flip:0.3",)


def test_one_network_needs_no_list(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: s\ndata: {a: /x}\nnoises: clean\nnetworks: unet\n", encoding="utf-8")
    assert [network.title for network in load_study(tmp_path / "s.yaml").networks] == ["unet"]


def test_folders_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: s\ndata: {a: ../x, b: {folder: /y}}\nnoises: [clean]\n", encoding="utf-8")
    study = load_study(tmp_path / "s.yaml")
    assert study.data["a"].folder == (tmp_path / ".." / "x").resolve()
    assert study.data["b"].folder == Path("/y")


MISTAKES = {
    "noises: [clean]": "data: field required",
    "nam: s": r"unknown key 'nam'; known keys: name, description, data, noises, networks, training, recipes, seeds",
    "training: {epoch: 3}": r"unknown key 'training\.epoch'; known keys: epochs, batch_size",
    "training: {epochs: 0}": r"training\.epochs: input should be greater than or equal to 1",
    "noises: [flop]": r"noises\.0: noise 'flop', at 'flop' \(column 1\): unknown noise; did you mean 'flip'\?",
    "noises: [clean, clean]": "noises lists 'clean' twice",
    "networks: [vnet]": r"networks\.0: unknown network 'vnet'; known: residual_unet, unet",
    "recipes: {}": r"recipes: write what each recipe changes, such as .* or leave the key out; got \{\}",
    "recipes:": "recipes: write what each recipe changes, .*; got nothing",
    "recipes: [x]": r"recipes: write what each recipe changes, .*; got \['x'\]",
    "recipes: {x: }": r"recipes: recipe 'x' is a mapping of settings, \{\} if it changes nothing; got nothing",
    "recipes: {x: 3}": "recipe 'x' is a mapping of settings, .*; got 3",
    "recipes: {x: {epoch: 3}}": r"recipe 'x': unknown key 'epoch'; known keys: epochs, batch_size",
    "recipes: {x: {half_width_px: 3}}": "recipe 'x': half_width_px belongs to the target 'density'",
    "recipes: {x: {loss: forward}}": "recipe 'x': the loss 'forward' undoes a transition matrix; set transition",
    "recipes: {x: {loss: huge}}": "recipe 'x': loss: loss 'huge': unknown loss",
    "recipes: {x: {epochs: 3}, y: {epochs: 3}}": "recipes 'x' and 'y' train with the same settings; keep one of them",
    "recipes: {w: {epochs: 3}, x: {}, y: {epochs: 20}}": "recipes 'x' and 'y' train with the same settings",
    "data: {a: {generate: {kind: nucleus}}}": "data.a.generate: unknown kind .nucleus.; known: er, mito, nuc, street",
    "data: {a: {}}": r"data\.a: give a data set either a folder or generate settings",
    "data: {a: {generate: {kind: nuc, size: 3}}}": r"unknown key 'data\.a\.generate\.size'; known keys: kind, train",
    "seeds: 3": "seeds: write a list, in brackets or with one item a line; got 3",
    "claims: {a: b}": r"claims: write a list, .*; got \{'a': 'b'\}",
    "noises:": "noises: write a list, .*; got nothing",
    "margin: 2": "margin says when claims with ~ hold and the study has none; add one or leave margin out",
    "seeds: [-1]": r"seeds\.0: input should be greater than or equal to 0",
    "name: a/b": "name: string should match pattern",
    "noises: [": "not valid YAML",
    "networks: {name: unet}": "networks: write a list",
    "networks: [unet, unet]": "networks lists 'unet' twice",
    "data: {../x: /y}": "data.*string should match pattern",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes_are_told_in_one_line_with_the_file(tmp_path: Path, line: str) -> None:
    content = {"name": "name: s", "data": "data: {a: /x}", "noises": "noises: [clean]"}
    key = line.partition(":")[0]
    content[key] = line
    if line == "noises: [clean]":
        del content["data"]
    path = tmp_path / "s.yaml"
    path.write_text("\n".join(content.values()), encoding="utf-8")
    with pytest.raises(ConfigError, match=MISTAKES[line]) as caught:
        load_study(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_or_empty_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such study file"):
        load_study(tmp_path / "none.yaml")
    (tmp_path / "s.yaml").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="a study is a mapping with the keys name"):
        load_study(tmp_path / "s.yaml")


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "studies").glob("*.yaml")), ids=lambda p: p.name)
def test_every_study_in_the_repository_is_valid(path: Path) -> None:
    assert load_study(path).name == path.stem


KEPT = Path(__file__).parents[2] / "docs" / "results" / "records"


@pytest.mark.parametrize("name", sorted(path.name for path in KEPT.iterdir() if (path / "runs").is_dir()))
def test_records_in_the_repository_are_found_and_load(name: str) -> None:
    path = KEPT.parents[2] / "studies" / f"{name}.yaml"
    study = load_study(path) if path.is_file() else demo_study()
    records = Store(KEPT / name).load_done(study)
    assert len(records) == sum(1 for _ in (KEPT / name / "runs").iterdir())
    assert all(record.identity == record.spec.identity for record in records)
