"""Study files: data x noises x networks x seeds as YAML on disk, one pydantic model in memory, many runs.

A run's identity is the hash of all that its result depends on; device, threads and paths are not part of it.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from metastructure.data.synthetic import KINDS
from metastructure.errors import ConfigError
from metastructure.networks.spec import DEFAULT_NETWORK, NetworkSpec
from metastructure.noise import parse_noise
from metastructure.study.claims import ClaimText, check_held, parse_claim
from metastructure.training.settings import TrainingSettings
from metastructure.training.validation import describe_validation_error

IDENTITY_FORMAT = 1
"""Raised when the meaning of a spec changes (the default of a field, say), so that old records are not taken for new.

Fields at their default are left out of the identity: a new field with a default keeps all old records valid.
"""

Draw = Literal["fixed", "online"]


class GenerateSpec(BaseModel):
    """A generated data set (see `metastructure.data.synthetic`).

    Parameters
    ----------
    kind : str
        What is drawn, a key of KINDS: ``er``, ``mito``, ``nuc`` or ``street``.
    train, val, test : int
        Images a split.
    height, width : int
        Of each image, in pixels.
    bit_depth : 8 or 16
        Of each image.
    seed : int
        Another seed draws other images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    train: Annotated[int, Field(ge=1)] = 64
    val: Annotated[int, Field(ge=1)] = 16
    test: Annotated[int, Field(ge=1)] = 32
    height: Annotated[int, Field(ge=16)] = 256
    width: Annotated[int, Field(ge=16)] = 256
    bit_depth: Literal[8, 16] = 8
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _check_kind(self) -> "GenerateSpec":
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; known: {', '.join(KINDS)}")
        return self


class DataSpec(BaseModel):
    """Where a data set comes from: a folder, or a generator.

    Parameters
    ----------
    folder : Path, optional
        With ``train|val|test / images|labels``; relative to the study file. Not part of a run's identity: the
        data set's name in the study is, and the record keeps a fingerprint of the content.
    generate : GenerateSpec, optional
        Settings of a generated data set, instead of a folder.
    num_classes : int, optional
        C; without it, what the training labels hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path | None = None
    generate: GenerateSpec | None = None
    num_classes: Annotated[int, Field(ge=2, le=255)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_path(cls, value: Any) -> Any:
        return {"folder": value} if isinstance(value, str | Path) else value

    @model_validator(mode="after")
    def _check_one_source(self) -> "DataSpec":
        if (self.folder is None) == (self.generate is None):
            raise ValueError("give a data set either a folder or generate settings")
        return self


class Resources(BaseModel):
    """What a run gets of a cluster's node; results do not depend on it beyond rounding.

    Parameters
    ----------
    cpus : int
        Cores, and with them CPU threads.
    gpus : float
        A share of one GPU, such as 0.25 for four runs on each, or a whole number of GPUs that share each training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpus: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0

    @model_validator(mode="after")
    def _check_share(self) -> "Resources":
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(f"gpus is at most 1, or a whole number; got {self.gpus:g}")
        return self


def _canonical_noise(spec: Any) -> str:
    try:
        return str(parse_noise(spec))
    except ConfigError as error:
        raise ValueError(str(error)) from None


NoiseText = Annotated[str, BeforeValidator(_canonical_noise)]
"""A noise in its canonical text, parsed from any form of spec."""


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]

PLAIN = "plain"
"""The recipe of a study that names none."""

DEFAULT_MARGIN = 1.0
"""In points."""


def _as_list(value: Any) -> Any:
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        got = "nothing" if value is None else repr(value)
        raise ValueError(f"write a list, in brackets or with one item a line; got {got}")
    return [value] if isinstance(value, str) else value


def _check_changes(value: Any) -> Any:
    if not isinstance(value, Mapping) or not value:
        raise ValueError(
            "write what each recipe changes, such as {plain: {}, long: {epochs: 50}}, or leave the key out; "
            f"got {'nothing' if value is None else repr(value)}"
        )
    for name, changes in value.items():
        if not isinstance(changes, Mapping):
            got = "nothing" if changes is None else repr(changes)
            raise ValueError(f"recipe {name!r} is a mapping of settings, {{}} if it changes nothing; got {got}")
    return value


List = BeforeValidator(_as_list)
"""Of a key that holds a list, or one text."""


class RunSpec(BaseModel):
    """One training and its evaluation; the fields are those of `StudySpec`, one of each.

    `recipe` is only the name that the study gives its training settings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_name: str
    data: DataSpec
    noise: NoiseText
    network: NetworkSpec
    training: TrainingSettings
    seed: Annotated[int, Field(ge=0)]
    draw: Draw = "fixed"
    dynamics: bool = False
    recipe: Name = PLAIN

    @property
    def identity(self) -> str:
        """The first 16 hexadecimal digits of SHA-256 over the canonical JSON of all that the result depends on."""
        content = self.model_dump(mode="json", exclude={"data": {"folder"}, "recipe": True}, exclude_defaults=True)
        text = json.dumps({"format": IDENTITY_FORMAT, **content}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """What people call the run."""
        return f"{self.data_name} · {self.noise} · {self.network.title} · {self.recipe} · seed {self.seed}"


class StudySpec(BaseModel):
    """A grid of runs.

    Parameters
    ----------
    name : str
        Letters, digits, ``-`` and ``_``; names the store.
    description : str
        One sentence for the report.
    data : mapping from name to DataSpec
        Each in turn; its name is part of its runs' identity.
    noises : list of noise specs
        In the order of the tables. Differences are taken to ``clean`` where it is among them.
    networks : list of NetworkSpec
        Each in turn.
    training : TrainingSettings
        How every network is trained.
    recipes : mapping from name to settings
        Ways of training to be compared, each as what it changes in `training`. Without it one, `plain`, that changes
        nothing.
    seeds : list of int
        One run each of every combination; of the noise, the start of the network and the order of the batches.
    draw : "fixed" or "online"
        One noisy label an image, as published, or a new one each epoch.
    dynamics : bool
        Whether each run keeps how its training predictions agree with the labels, epoch by epoch.
    claims : list of text
        What the study is to show, such as ``sample:0.1 ~ clean`` (`metastructure.study.claims`), said before it runs;
        tested on its records, and no part of a run's identity.
    margin : float
        Scores closer than this, in points, are equal in a claim with ``~``; refused where there is none.
    resources : Resources
        What each run gets where many run at once; no part of a run's identity.
    trackers : list of "tensorboard" and "mlflow"
        Where each finished run is logged too, below ``trackers/`` in the store; no part of a run's identity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: str = ""
    data: Annotated[dict[Name, DataSpec], Field(min_length=1)]
    noises: Annotated[tuple[NoiseText, ...], Field(min_length=1), List]
    networks: Annotated[tuple[NetworkSpec, ...], Field(min_length=1), List] = (NetworkSpec(name=DEFAULT_NETWORK),)
    training: TrainingSettings = TrainingSettings()
    recipes: Annotated[dict[Name, dict[str, Any]], BeforeValidator(_check_changes)] = {PLAIN: {}}
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), List] = (0,)
    draw: Draw = "fixed"
    dynamics: bool = False
    claims: Annotated[tuple[ClaimText, ...], List] = ()
    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)] = DEFAULT_MARGIN
    resources: Resources = Resources()
    trackers: Annotated[tuple[Literal["tensorboard", "mlflow"], ...], List] = ()

    @model_validator(mode="after")
    def _check_repeats(self) -> "StudySpec":
        titles = [network.title for network in self.networks]
        lists = {"noises": self.noises, "seeds": self.seeds, "networks": titles, "claims": self.claims}
        for name, values in lists.items():
            repeated = {value for value in values if list(values).count(value) > 1}
            if repeated:
                raise ValueError(f"{name} lists {min(repeated, key=str)!r} twice")
        return self

    @model_validator(mode="after")
    def _check_recipes(self) -> "StudySpec":
        for name in self.recipes:
            try:
                self.settings(name)
            except ValidationError as error:
                problem = describe_validation_error(error, TrainingSettings)
                raise ValueError(f"recipe {name!r}: {problem.rstrip('.')}") from None
        for first, second in itertools.combinations(self.recipes, 2):
            if self.settings(first) == self.settings(second):
                raise ValueError(f"recipes {first!r} and {second!r} train with the same settings; keep one of them")
        return self

    @model_validator(mode="after")
    def _check_claims(self) -> "StudySpec":
        for text in self.claims:
            check_held(text, self.noises, self.recipes)
        if self.margin != DEFAULT_MARGIN and not any(parse_claim(text).relation == "~" for text in self.claims):
            raise ValueError("margin says when claims with ~ hold and the study has none; add one or leave margin out")
        return self

    def settings(self, recipe: str) -> TrainingSettings:
        """Return the training settings of a recipe."""
        return TrainingSettings.model_validate({**self.training.model_dump(), **self.recipes[recipe]})

    def runs(self) -> Iterator[RunSpec]:
        """Yield every run; seeds outermost, so that a first complete table comes early."""
        recipes = {name: self.settings(name) for name in self.recipes}
        for seed in self.seeds:
            for name, data in self.data.items():
                for network, recipe in itertools.product(self.networks, self.recipes):
                    for noise in self.noises:
                        yield RunSpec.model_construct(  # all parts are checked; there may be thousands
                            data_name=name,
                            data=data,
                            noise=noise,
                            network=network,
                            training=recipes[recipe],
                            seed=seed,
                            draw=self.draw,
                            dynamics=self.dynamics,
                            recipe=recipe,
                        )


def load_study(path: Path | str) -> StudySpec:
    """Return the study in a YAML file; its folders are resolved relative to the file.

    Raises
    ------
    ConfigError
        In one line with the file, the key and what is allowed.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: no such study file.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}: not valid YAML{where}: {error.problem or error.context}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {str(error).splitlines()[0]}.") from None
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path}: a study is a mapping with the keys {', '.join(StudySpec.model_fields)}.")
    try:
        study = StudySpec.model_validate(dict(content))
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe_validation_error(error, StudySpec)}") from None
    data = {
        name: spec if spec.folder is None else spec.model_copy(update={"folder": (path.parent / spec.folder).resolve()})
        for name, spec in study.data.items()
    }
    return study.model_copy(update={"data": data})
