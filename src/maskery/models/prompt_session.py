"""One picture that is asked about click by click: ``maskery.load("prompt").session("photo.jpg").click(120, 80)``."""

from dataclasses import replace

from maskery.core.errors import BadRequest
from maskery.core.picture.decode import Picture
from maskery.core.plan import RunOptions
from maskery.core.prompt import Prompt
from maskery.core.result.prompted import PromptResult
from maskery.core.timing import Stopwatch
from maskery.inference.pipeline import Model
from maskery.inference.prompts.prompt_input import check_candidates, coarse_mask, prompt_of
from maskery.inference.prompts.prompt_model import PromptModel
from maskery.models.segmented_picture import Segmentation


class PromptSession:
    """The picture is looked at once, when the session begins; each prompt then only runs the decoder.

    Places are in pixels of the upright picture, from its left upper corner. Each call answers for all that was clicked
    and boxed since ``clear``: a ``Segmentation`` whose ``result.instances`` are the candidates, best first; none where
    nothing was found. One thread at a time.

    Raises ``BadRequest`` for a model that takes no prompts, ``PictureError`` for damaged pixels.
    """

    def __init__(self, model: Model, picture: Picture, candidates: int = 1) -> None:
        if not isinstance(model, PromptModel):
            raise BadRequest(f"{model.card.name} takes no points and no box.", "Load the model prompt, say.")
        self._model, self._picture, self._candidates = model, picture, check_candidates(candidates)
        self._past: list[Prompt] = []
        self._embedded = model.look(model.plan(picture, RunOptions(prompt=Prompt())), picture, Stopwatch())

    @property
    def prompt(self) -> Prompt:
        """All that was clicked and boxed."""
        return self._past[-1] if self._past else Prompt()

    def click(self, x: float, y: float, positive: bool = True) -> Segmentation:
        """A click on the object, or, not ``positive``, on what is not of it.

        Raises ``BadRequest`` for one that is outside of the picture, or not on the object though nothing is meant yet.
        """
        (click,) = prompt_of([(x, y)], [positive]).clicks
        return self._asked(replace(self.prompt, clicks=(*self.prompt.clicks, click)))

    def box(self, x1: float, y1: float, x2: float, y2: float) -> Segmentation:
        """A box around the object, by any two opposite corners; it replaces the one before. Raises ``BadRequest``."""
        return self._asked(replace(self.prompt, box_xyxy=prompt_of(box=(x1, y1, x2, y2)).box_xyxy))

    def choose(self, number: int) -> Segmentation:
        """Go on from the candidate ``number``, 1 is the best: the next clicks correct that one.

        Raises ``BadRequest`` where there is no such candidate.
        """
        check_candidates(number)
        found = () if self.prompt.empty else self._found(self.prompt, number).instances
        chosen = found[number - 1].mask if len(found) >= number else None
        if chosen is None:
            raise BadRequest(f"There is no candidate {number}.", f"There are {len(found)} of them.")
        previous = coarse_mask(chosen, self._picture.size_wh)
        return self._asked(replace(self.prompt, previous=previous))

    def undo(self) -> Segmentation | None:
        """Take the last call back; the answer to those before it, None where there is nothing left."""
        if self._past:
            self._past.pop()
        return None if self.prompt.empty else self._answer(self.prompt)

    def clear(self) -> None:
        """Begin with another object of the same picture."""
        self._past.clear()

    def _asked(self, prompt: Prompt) -> Segmentation:
        """Only what has an answer is remembered."""
        answer = self._answer(prompt)
        self._past.append(prompt)
        return answer

    def _answer(self, prompt: Prompt) -> Segmentation:
        return Segmentation(self._found(prompt, self._candidates), self._picture)

    def _found(self, prompt: Prompt, candidates: int) -> PromptResult:
        plan = self._model.plan(self._picture, RunOptions(prompt=prompt, candidates=candidates))
        return self._model.answer(self._embedded, plan, self._picture, Stopwatch())
