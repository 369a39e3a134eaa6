/** Single objects of an answer: as rows of the legend, as a mask, and each cut out for itself. */

import { make } from "./dom.js";
import { Mask } from "./mask.js";
import { Selection } from "./selection.js";

const FRAMES_PER_SIDE = 300; // the line of a box without mask is one pixel wide for so many pixels of the longest side

/** The objects of an answer as the legend shows them: "dog 2", surest first. */
export function rowsOf({ objects, frame }) {
  const counts = new Map();
  for (const one of objects) counts.set(one.class, (counts.get(one.class) ?? 0) + 1);
  const seen = new Map();
  return objects.map((one) => {
    const number = (seen.get(one.class) ?? 0) + 1;
    seen.set(one.class, number);
    const name = counts.get(one.class) > 1 ? `${one.class} ${number}` : one.class;
    const share = one.area / (frame.original.width * frame.original.height);
    return { ...one, name, share, rank: one.score };
  });
}

/** "2 car, 1 person", most first. */
export function countsOf(objects) {
  const counts = new Map();
  for (const one of objects) counts.set(one.class, (counts.get(one.class) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1]).map(([name, count]) => `${count} ${name}`);
}

/** Mask whose ids are those of the objects; 0 = none. The surest lies above; one without a mask is the line of its box. */
export function maskOf({ objects, frame }) {
  const { width, height } = frame.original;
  const ids = new Uint16Array(width * height);
  for (const one of [...objects].reverse()) {
    if (one.mask) paintRuns(ids, width, one);
    else paintFrame(ids, width, height, one);
  }
  return new Mask(width, height, ids);
}

/** COCO's runs go down the columns, zeros first. */
function paintRuns(ids, width, { id, mask }) {
  const height = mask.size[0];
  let place = 0;
  runLengths(mask.counts).forEach((length, number) => {
    if (number % 2) {
      for (let at = place; at < place + length; at++) ids[(at % height) * width + Math.floor(at / height)] = id;
    }
    place += length;
  });
}

/** COCO's text: five bits a character, each number less the one before the last. */
function runLengths(text) {
  const numbers = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    let shift = 0;
    let bits = 32;
    while (bits & 32) {
      bits = text.charCodeAt(at++) - 48;
      value += (bits & 31) * 2 ** shift;
      shift += 5;
    }
    if (bits & 16) value -= 2 ** shift;
    numbers.push(numbers.length > 2 ? value + numbers[numbers.length - 2] : value);
  }
  return numbers;
}

function paintFrame(ids, width, height, { id, box }) {
  const line = Math.max(1, Math.round(Math.max(width, height) / FRAMES_PER_SIDE));
  const [left, top, right, bottom] = cornersOf(box, width, height);
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const edge = Math.min(x - left, y - top, right - 1 - x, bottom - 1 - y) < line;
      if (edge) ids[y * width + x] = id;
    }
  }
}

function cornersOf(box, width, height) {
  const most = [width, height, width, height];
  return box.map((edge, place) => Math.min(Math.max(0, Math.round(edge)), most[place]));
}

/** -> Promise of a PNG of one object alone, as large as its box, transparent around it. `blob`: the picture. */
export async function cutOut(blob, one, frame) {
  const { width, height } = frame.original;
  const [left, top, right, bottom] = cornersOf(one.box, width, height);
  const canvas = make("canvas", { width: Math.max(1, right - left), height: Math.max(1, bottom - top) });
  const context = canvas.getContext("2d");
  const photo = await createImageBitmap(blob, { imageOrientation: "from-image" });
  context.drawImage(photo, -left, -top);
  photo.close();
  if (one.mask) {
    const ids = new Uint8Array(width * height);
    paintRuns(ids, width, { id: 1, mask: one.mask });
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let y = 0, at = 3; y < canvas.height; y++) {
      for (let x = 0; x < canvas.width; x++, at += 4) {
        if (!ids[(top + y) * width + left + x]) pixels.data.fill(0, at - 3, at + 1);
      }
    }
    context.putImageData(pixels, 0, 0);
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Which objects are shown. Downloads are of all of them: the API chooses by classes. */
export class ObjectSelection extends Selection {
  get names() {
    return null;
  }

  get scope() {
    return this.changed ? "all objects" : "";
  }
}
