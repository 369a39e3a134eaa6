/** The mask of one answer: which class each pixel has, and how that looks in colours. */

import { readPng } from "./png.js";

const OTHERS_ALPHA = 0.25; // how much of the other classes is left while one is emphasised
const EDGE_WHITE = 0.45; // edges are the class colour, so much nearer to white

/**
 * `ids`: one class id a pixel, row after row; ids that no class has mean "no class".
 * `alpha`: soft mask of a foreground model, 0 = background, 255 = foreground; null for the others.
 */
export class Mask {
  constructor(width, height, ids, alpha = null) {
    this.width = width;
    this.height = height;
    this.ids = ids;
    this.alpha = alpha;
  }

  /** answer: the JSON of /v1/segment -> Mask, or null for a task without one. */
  static async of(answer) {
    if (!answer.mask) return null;
    const { width, height, values } = await readPng(bytesOf(answer.mask.base64));
    const alpha = answer.alpha ? (await readPng(bytesOf(answer.alpha.base64))).values : null;
    return new Mask(width, height, values, alpha);
  }

  idAt(x, y) {
    return this.ids[y * this.width + x];
  }

  /** The mask at another size, by the nearest pixel: ids cannot be mixed. */
  scaledTo(width, height) {
    if (width === this.width && height === this.height) return this;
    const ids = new this.ids.constructor(width * height);
    const alpha = this.alpha && new Uint8Array(width * height);
    const columns = Array.from({ length: width }, (_, x) => Math.floor(((x + 0.5) * this.width) / width));
    for (let y = 0, at = 0; y < height; y++) {
      const row = Math.floor(((y + 0.5) * this.height) / height) * this.width;
      for (let x = 0; x < width; x++, at++) {
        ids[at] = this.ids[row + columns[x]];
        if (alpha) alpha[at] = this.alpha[row + columns[x]];
      }
    }
    return new Mask(width, height, ids, alpha);
  }

  /**
   * The areas of the shown classes -> ImageData, transparent elsewhere.
   * `colours`: Map id -> [r, g, b] of the shown classes. `emphasis`: an id before which the others fade, or null.
   */
  fill(colours, emphasis = null) {
    const strength = (id) => (emphasis === null || emphasis === id ? 255 : Math.round(255 * OTHERS_ALPHA));
    if (this.alpha) return this.#softFill(colours, strength);
    return this.#paint(colourTable(colours, strength, this.ids.constructor), () => true);
  }

  /** The inner border of every shown class, `thickness` pixels wide -> ImageData. None for a soft mask. */
  edges(colours, thickness) {
    const { width, height, ids } = this;
    const light = new Map(Array.from(colours, ([id, rgb]) => [id, rgb.map((v) => v + (255 - v) * EDGE_WHITE)]));
    const table = this.alpha ? new Uint32Array(0) : colourTable(light, () => 255, ids.constructor);
    const differs = (at, x, y) =>
      (x >= thickness && ids[at - thickness] !== ids[at]) ||
      (x + thickness < width && ids[at + thickness] !== ids[at]) ||
      (y >= thickness && ids[at - thickness * width] !== ids[at]) ||
      (y + thickness < height && ids[at + thickness * width] !== ids[at]);
    return this.#paint(table, differs);
  }

  #paint(table, wanted) {
    const image = new ImageData(this.width, this.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let y = 0, at = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++, at++) {
        const colour = table[this.ids[at]];
        if (colour && wanted(at, x, y)) pixels[at] = colour;
      }
    }
    return image;
  }

  /** Class 1 as strong as the alpha, class 0 as what is left. */
  #softFill(colours, strength) {
    const image = new ImageData(this.width, this.height);
    const back = colours.get(0);
    const front = colours.get(1);
    for (let at = 0; at < this.alpha.length; at++) {
      const ahead = front ? (this.alpha[at] * strength(1)) / 255 : 0;
      const behind = back ? ((255 - this.alpha[at]) * strength(0)) / 255 : 0;
      const total = ahead + behind;
      for (let c = 0; c < 3 && total > 0; c++) {
        image.data[4 * at + c] = ((front?.[c] ?? 0) * ahead + (back?.[c] ?? 0) * behind) / total;
      }
      image.data[4 * at + 3] = total;
    }
    return image;
  }
}

/** Colour of each possible id as the 32 bits of an RGBA pixel; 0 (transparent) where no class is shown. */
function colourTable(colours, strength, Ids) {
  const bytes = new Uint8ClampedArray(4 * 256 ** Ids.BYTES_PER_ELEMENT);
  for (const [id, rgb] of colours) bytes.set([...rgb, strength(id)], 4 * id);
  return new Uint32Array(bytes.buffer);
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** "#c08080" -> [192, 128, 128]. */
export function rgbOf(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}
