/** Which classes of one answer are shown. At first all but the background, which is what is left over. */

import { rgbOf } from "./mask.js";

const isBackground = (found) => found.name === "background";

const sameSet = (one, other) => one.size === other.size && [...one].every((item) => other.has(item));

export class Selection {
  /** classes: those of an answer. Sorted here: by `rank` where they have one, else most pixels first, background last. */
  constructor(classes) {
    const rank = (found) => (isBackground(found) ? -1 : found.rank ?? found.share);
    this.classes = [...classes].sort((one, other) => rank(other) - rank(one));
    this.reset();
  }

  get #hiddenAtFirst() {
    return new Set(this.classes.filter(isBackground).map((found) => found.id));
  }

  reset() {
    this.hidden = this.#hiddenAtFirst;
  }

  toggle(id) {
    if (!this.hidden.delete(id)) this.hidden.add(id);
  }

  /** Show one class alone; once more: as at first. */
  only(id) {
    const others = new Set(this.classes.map((found) => found.id).filter((other) => other !== id));
    this.hidden = sameSet(others, this.hidden) ? this.#hiddenAtFirst : others;
  }

  get changed() {
    return !sameSet(this.hidden, this.#hiddenAtFirst);
  }

  get shown() {
    return this.classes.filter((found) => !this.hidden.has(found.id));
  }

  /** Names for the `classes` parameter of the API; null while nothing was changed. */
  get names() {
    return this.changed ? this.shown.map((found) => found.name) : null;
  }

  /** What a download will hold, in words; empty while nothing was changed. */
  get scope() {
    return this.changed ? this.shown.map((found) => found.name).join(", ") || "nothing is shown" : "";
  }

  /** Map id -> [r, g, b] of the shown classes. */
  get colours() {
    return new Map(this.shown.map((found) => [found.id, rgbOf(found.color)]));
  }

  byId(id) {
    return this.classes.find((found) => found.id === id);
  }
}
