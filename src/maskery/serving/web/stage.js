/** The picture with its mask on a canvas. Shows one of several views; a new view is one more line in VIEWS. */

const MAX_SIDE = 2048; // pixels of the canvas; what is pointed at is still looked up in the full mask
const MAX_ENLARGEMENT = 3;
const EDGES_PER_SIDE = 600; // an edge is one pixel wide for so many pixels of the longest side

/** name -> how it is drawn. `photo` may be null (a kind of file that this browser does not show). */
export const VIEWS = {
  overlay(context, { photo, fill, edges }, opacity) {
    if (photo) context.drawImage(photo, 0, 0);
    if (!fill) return;
    context.globalAlpha = opacity;
    context.drawImage(fill, 0, 0);
    context.drawImage(edges, 0, 0);
  },
  mask(context, { photo, fill }) {
    const layer = fill ?? photo;
    if (layer) context.drawImage(layer, 0, 0);
  },
  cutout(context, { photo, fill }) {
    if (photo) context.drawImage(photo, 0, 0);
    if (!fill) return;
    context.globalCompositeOperation = photo ? "destination-in" : "source-over";
    context.drawImage(fill, 0, 0);
  },
};

export class Stage {
  #layers = { photo: null, fill: null, edges: null };
  #size = { width: 0, height: 0 }; // the picture's own pixels
  #mask = null; // as the server sent it
  #drawn = null; // at the canvas's size
  #colours = new Map();
  #view = "overlay";
  #opacity = 0.6;

  /** `frame`: the element that the canvas must fit into. */
  constructor(canvas, frame) {
    this.canvas = canvas;
    this.frame = frame;
    new ResizeObserver(() => this.#fit()).observe(frame);
  }

  /** A new picture without a mask. `photo`: ImageBitmap (taken over and closed) or null. */
  setPicture(photo, size) {
    this.#size = { width: size.width, height: size.height };
    const scale = Math.min(1, MAX_SIDE / Math.max(size.width, size.height));
    this.canvas.width = Math.max(1, Math.round(size.width * scale));
    this.canvas.height = Math.max(1, Math.round(size.height * scale));
    this.#layers.photo = photo && this.#layer((context) => {
      context.imageSmoothingQuality = "high";
      context.drawImage(photo, 0, 0, this.canvas.width, this.canvas.height);
    });
    photo?.close();
    this.canvas.hidden = false;
    this.#fit();
    this.clearMask();
  }

  /** Whether a photo of this size is on the canvas. */
  shows({ width, height }) {
    return Boolean(this.#layers.photo) && this.#size.width === width && this.#size.height === height;
  }

  clearMask() {
    this.#mask = this.#drawn = this.#layers.fill = this.#layers.edges = null;
    this.#draw();
  }

  /** mask: Mask in the pixels of the picture. Nothing of it is shown before `setColours`. */
  setMask(mask) {
    this.#mask = mask;
    this.#drawn = mask.scaledTo(this.canvas.width, this.canvas.height);
  }

  /** colours: Map id -> [r, g, b] of the classes to show. */
  setColours(colours) {
    if (!this.#drawn) return;
    this.#colours = colours;
    const thickness = Math.max(1, Math.round(Math.max(this.canvas.width, this.canvas.height) / EDGES_PER_SIDE));
    this.#layers.edges = this.#layer((context) => context.putImageData(this.#drawn.edges(colours, thickness), 0, 0));
    this.emphasise(null);
  }

  /** Let all classes but one fade; null: none. */
  emphasise(id) {
    if (!this.#drawn) return;
    this.#layers.fill = this.#layer((context) => context.putImageData(this.#drawn.fill(this.#colours, id), 0, 0));
    this.#draw();
  }

  setView(name, opacity) {
    this.#view = name;
    this.#opacity = opacity;
    this.canvas.dataset.view = name;
    this.#draw();
  }

  clear() {
    this.canvas.hidden = true;
    this.#layers.photo = null;
    this.clearMask();
  }

  /** Class id and alpha (0..255, or null) below a mouse event, or null outside of a mask. */
  at(event) {
    if (!this.#mask) return null;
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * this.#mask.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * this.#mask.height);
    if (x < 0 || y < 0 || x >= this.#mask.width || y >= this.#mask.height) return null;
    return { id: this.#mask.idAt(x, y), alpha: this.#mask.alpha?.[y * this.#mask.width + x] ?? null };
  }

  #layer(paint) {
    const canvas = document.createElement("canvas");
    canvas.width = this.canvas.width;
    canvas.height = this.canvas.height;
    paint(canvas.getContext("2d"));
    return canvas;
  }

  #draw() {
    const context = this.canvas.getContext("2d");
    context.save();
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    VIEWS[this.#view](context, this.#layers, this.#opacity);
    context.restore();
  }

  /** As large as the frame allows, in the picture's own proportions. */
  #fit() {
    const { width, height } = this.#size;
    if (!width) return;
    const scale = Math.min(this.frame.clientWidth / width, this.frame.clientHeight / height, MAX_ENLARGEMENT);
    this.canvas.style.width = `${Math.round(width * scale)}px`;
    this.canvas.style.height = `${Math.round(height * scale)}px`;
  }
}

/** File -> upright ImageBitmap, or null where this browser does not read that kind of file. */
export function decodePhoto(blob) {
  return createImageBitmap(blob, { imageOrientation: "from-image" }).catch(() => null);
}
