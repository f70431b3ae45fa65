"""What a repair of a folder does, decided before the first label is changed: the method, Q, the window, the suspects.

`C` classes; Q[clean, noisy]. Labels, images and kept predictions are gone through one at a time.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from metastructure.audit.audit_files import pair_files
from metastructure.audit.audit_folder import estimate_folder_bias
from metastructure.audit.denoise import SINGULAR, check_invertible, pick_window, score_windows
from metastructure.audit.judging import judge, percent, unknown
from metastructure.audit.label_scores import score_labels
from metastructure.audit.network_findings import Predicted, stand_out
from metastructure.audit.predictions import JOURNAL_NAME as JOURNAL_OF_FOLDS
from metastructure.audit.predictions import OutOfFold, load_predictions
from metastructure.audit.random_findings import RANDOM_CLEAR, RANDOM_DOUBTFUL, judge_bias, random_share
from metastructure.audit.repair_methods import Mend, denoise, leave, relabel_suspects, shift
from metastructure.audit.repair_result import RepairRecipe
from metastructure.audit.shift import nearest_distance_px
from metastructure.data.journal import hash_file
from metastructure.data.label_set import LabelSet, pick_evenly
from metastructure.errors import ConfigError, DataError
from metastructure.label import IGNORE, LabelArray
from metastructure.rng import generator
from metastructure.structure.latent_transition import Convention, EstimatedTransition, estimate_transition
from metastructure.transition import TransitionMatrix

NUM_SCORED_LABELS = 64
"""Of a large folder this many labels, evenly spaced, choose the window."""

HARDLY_ANY = 0.002
"""An estimated share of wrong pixels whose interval stays below this is taken for none: it is of the size of the bias
that boundaries leave in the estimate."""

Known = TransitionMatrix | npt.ArrayLike
OnItem = Callable[[int, int], None]


class Steps:
    """Counts the files gone through over all passes."""

    def __init__(self, total: int, on_item: OnItem | None) -> None:
        self.done, self.total, self._on_item = 0, total, on_item

    def step(self) -> None:
        self.done += 1
        if self._on_item is not None:
            self._on_item(self.done, self.total)


class RepairPlan:
    """The labels with what else there is to go by, from which the recipe follows."""

    def __init__(
        self, found: LabelSet, images: Path | str | None, predictions: OutOfFold | None, seed: int, steps: Steps
    ) -> None:
        self._found, self._predictions, self._seed, self._steps = found, predictions, seed, steps
        self._images = None if images is None else Path(images)

    def denoising(
        self,
        recipe: RepairRecipe,
        transition: Known | Literal["estimated"],
        convention: Convention | None,
        half_width_px: int | None,
        estimate: EstimatedTransition | None = None,
    ) -> RepairRecipe:
        """Return the recipe with Q and the window in it, or with the reason why there is nothing to do."""
        found, Q, nothing = self._found, None, ""
        if isinstance(transition, str):
            if transition != "estimated":
                raise ConfigError(f"transition must be 'estimated' or the rows of a matrix; got {transition!r}.")
            estimate = estimate or self._estimate(recipe.num_classes, convention)
            if np.count_nonzero(found.counts[:, :IGNORE].sum(axis=0)) < 2:
                nothing = "the labels hold one class at most"
            else:
                Q = _check_estimate(estimate, found.folder, is_named=convention is not None)
                nothing = _explain_no_noise(estimate)
        else:
            Q = _check_known(transition, recipe.num_classes)
            if np.array_equal(Q.rows, np.eye(Q.num_classes)):
                nothing = "the transition matrix is the identity: no label is wrong"
        settings: dict[str, object] = {"estimate": estimate, "nothing_to_repair": nothing, "method": "denoise"}
        settings["transition_from"] = "given" if estimate is None else "estimated"
        if Q is not None:
            settings["transition"] = tuple(map(tuple, Q.rows.tolist()))
        if Q is not None and not nothing:
            if half_width_px is None:
                scores = score_windows(map(found.load, pick_evenly(len(found), NUM_SCORED_LABELS)), Q)
                half_width_px = pick_window(scores)
                settings["window_dice"] = {score.half_width_px: score.dice for score in scores}
            elif half_width_px < 0:
                raise ConfigError(f"the half-width must be at least 0 pixels; got {half_width_px}.")
            settings["half_width_px"] = half_width_px
        return recipe.model_copy(update=settings)

    def shifting(self, recipe: RepairRecipe) -> RepairRecipe:
        """Return the recipe with the negative of the bias that the images show, or why there is none."""
        if self._images is None:
            raise ConfigError("the pixels of a shift come from the images; name those, or write 'shift:PX'.")
        files = pair_files(self._found, self._images)
        self._steps.total += len(files.images)
        bias = estimate_folder_bias(files, recipe.num_classes, self._seed, self._steps.step)
        estimate = unknown(next(iter(files.reasons.values()), "")) if bias is None else bias.shift_px
        shown = f"boundaries lie {estimate} px beyond the edges of the images"
        if judge_bias(estimate) != "clear":
            return recipe.model_copy(update={"nothing_to_repair": f"no clear bias: {shown}"})
        return recipe.model_copy(update={"method": f"shift:{-estimate.value:.2f}", "chosen_because": shown})

    def choose(self, recipe: RepairRecipe, convention: Convention | None, half_width_px: int | None) -> RepairRecipe:
        """Return the recipe of the first method that the labels, then the images, then predictions give reason for."""
        estimate = self._estimate(recipe.num_classes, convention)
        share = random_share(estimate)
        if judge(share, RANDOM_DOUBTFUL, RANDOM_CLEAR) == "clear":
            chosen = self.denoising(recipe, "estimated", convention, half_width_px, estimate)
            return chosen.model_copy(update={"chosen_because": f"{percent(share.value)} of the pixels are random"})
        why = [f"the share of random pixels is {share}"]
        if self._images is not None:
            shifted = self.shifting(recipe)
            if shifted.method != recipe.method:
                return shifted
            why.append(shifted.nothing_to_repair)
        if self._predictions is not None:
            return recipe.model_copy(update={"method": "relabel", "chosen_because": "; ".join(why)})
        return recipe.model_copy(update={"nothing_to_repair": "; ".join(why)})

    def start(self, recipe: RepairRecipe) -> tuple[Mend, RepairRecipe]:
        """Return how the recipe mends a label, and the recipe with what that rests on."""
        name, _, value = recipe.method.partition(":")
        if name == "shift" and value:
            mend = shift(float(value), recipe.num_classes)
            if not nearest_distance_px(abs(float(value))):
                reason = f"a shift of {float(value):g} px does not reach the next pixel"
                recipe = recipe.model_copy(update={"nothing_to_repair": reason})
            return mend, recipe
        if name == "relabel":
            return self._relabelling(recipe, only_suspects=value != "all")
        if recipe.nothing_to_repair:
            return leave(recipe.nothing_to_repair), recipe
        return denoise(TransitionMatrix(recipe.transition or ()), recipe.half_width_px or 0), recipe

    def _relabelling(self, recipe: RepairRecipe, only_suspects: bool) -> tuple[Mend, RepairRecipe]:
        kept = self._predictions
        if kept is None:
            raise ConfigError("relabelling needs predictions: name the folder of an audit with --out-of-fold.")
        suspects = None
        if only_suspects:
            pairs = Predicted(self._found, kept)
            self._steps.total += 2 * len(pairs.names)
            scores = score_labels(pairs.names, pairs.load, lambda done, total: self._steps.step())
            suspects = stand_out(scores)
        settings = {"predictions": str(kept.folder), "predictions_sha256": hash_file(kept.folder / JOURNAL_OF_FOLDS)}
        return relabel_suspects(kept, suspects), recipe.model_copy(update=settings)

    def _estimate(self, num_classes: int, convention: Convention | None) -> EstimatedTransition:
        self._steps.total += len({entry.path for entry in self._found.entries})
        rng = generator(self._seed, "", "repair")
        return estimate_transition(_count(self._found, self._steps), rng, num_classes, convention)


def _check_known(transition: Known, num_classes: int) -> TransitionMatrix:
    try:
        matrix = transition if isinstance(transition, TransitionMatrix) else TransitionMatrix(transition)
        check_invertible(matrix)
    except (ValueError, TypeError) as error:
        raise ConfigError(str(error)) from None
    if matrix.num_classes != num_classes:
        raise ConfigError(
            f"the transition matrix has {matrix.num_classes} classes and the labels have {num_classes}; give a matrix "
            "with a row for each class, or say how many classes there are (--classes; num_classes in Python)."
        )
    return matrix


def _check_estimate(estimate: EstimatedTransition, folder: Path, is_named: bool) -> TransitionMatrix:
    give = "Give the transition matrix if you know it; otherwise no repair is better than a guess."
    if not estimate.identified:
        raise DataError(f"{folder}: the transition matrix cannot be estimated ({estimate.reason}). {give}")
    if estimate.disputed and not is_named:
        raise DataError(
            f"{folder}: the labels fit two readings, of which each is the other with the classes exchanged: noise with "
            "more than half of the labels wrong, or a foreground that covers more than half of the pixels. Choose the "
            "convention 'background' for the first and 'diagonal' for the second."
        )
    sigma = estimate.sigma_min
    if sigma.value < SINGULAR or sigma.low <= 0:
        raise DataError(
            f"{folder}: the estimated transition matrix may be singular (smallest singular value {sigma}): such noise "
            f"leaves classes that cannot be told apart. {give}"
        )
    return _fill_absent(estimate.matrix())


def _fill_absent(transition: TransitionMatrix) -> TransitionMatrix:
    """Return Q in which a class that no label holds, without a row, stays itself: it takes no part in the noise."""
    absent = np.isnan(transition.rows).any(axis=1, keepdims=True)
    return TransitionMatrix(np.where(absent, np.eye(transition.num_classes), transition.rows))


def _explain_no_noise(estimate: EstimatedTransition) -> str:
    """Return why labels count as free of noise, empty if they do not."""
    shares, rows = estimate.shares(), estimate.transition
    wrong, most = 0.0, 0.0
    for klass, share in enumerate(shares):
        if np.isnan(rows[klass][klass].value):  # of no label
            continue
        kept = rows[klass][klass]
        wrong += share * (1 - kept.value)
        most += share * (1 - (kept.value if np.isnan(kept.low) else kept.low))
    if not most < HARDLY_ANY:
        return ""
    return f"an estimated {100 * wrong:.2f} % of the pixels carry a wrong class (at most {100 * most:.2f} %)"


def load_matching(predictions: OutOfFold | Path | str, found: LabelSet, num_classes: int | None) -> OutOfFold:
    kept = predictions if isinstance(predictions, OutOfFold) else load_predictions(predictions)
    C = num_classes or found.count_classes()
    if kept.num_classes < C:
        raise ConfigError(f"{kept.folder}: the predictions are of {kept.num_classes} classes and the labels have {C}.")
    return kept


def _count(labels: LabelSet, steps: Steps) -> Iterator[LabelArray]:
    last = None
    for entry, label in zip(labels.entries, labels, strict=True):
        if entry.path != last:
            steps.step()
        last = entry.path
        yield label
