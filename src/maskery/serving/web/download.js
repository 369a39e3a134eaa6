/** The answer as a file, made by the server: exactly what the API gives. */

import { segment } from "./api.js";
import { make } from "./dom.js";

const SUFFIXES = { "image/jpeg": "jpg" };

/** picture: { blob, name }. `classes`: names to keep, null = all. */
export async function download(picture, { model, format, classes }) {
  const blob = await segment(picture.blob, { model, format, classes });
  const suffix = SUFFIXES[blob.type] ?? blob.type.split("/")[1];
  saveAs(blob, `${picture.name.replace(/\.[^.]*$/, "")}-${format}.${suffix}`);
}

export function saveAs(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
