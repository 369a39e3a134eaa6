/** The ways in which a picture arrives: chosen, photographed, dropped anywhere, pasted. */

import { Problem } from "./api.js";
import { byId, show } from "./dom.js";

/** Calls `take(file)` for each new picture and `refuse(problem)` for a drop that holds none. */
export function listenForPictures(take, refuse) {
  const takeFrom = (files) => {
    const pictures = Array.from(files);
    const first = pictures.find((file) => file.type.startsWith("image/")) ?? pictures[0];
    if (first) take(first);
    return Boolean(first);
  };
  listenToInputs(takeFrom);
  listenToDrops(takeFrom, refuse);
  document.addEventListener("paste", (event) => {
    if (event.clipboardData && takeFrom(event.clipboardData.files)) event.preventDefault();
  });
}

function listenToInputs(takeFrom) {
  for (const [input, openers] of [["file", ["choose", "another"]], ["camera-file", ["camera"]]]) {
    const element = byId(input);
    element.addEventListener("change", () => {
      takeFrom(element.files);
      element.value = ""; // so that the same file can be chosen again
    });
    for (const opener of openers) byId(opener).addEventListener("click", () => element.click());
  }
  byId("drop").addEventListener("click", (event) => {
    if (!event.target.closest("button, a")) byId("file").click();
  });
}

function listenToDrops(takeFrom, refuse) {
  let depth = 0; // dragenter and dragleave also come for every child
  const veil = (event, step) => {
    event.preventDefault();
    depth = step === 0 ? 0 : Math.max(0, depth + step);
    show(byId("veil"), depth > 0);
  };
  document.addEventListener("dragenter", (event) => veil(event, 1));
  document.addEventListener("dragleave", (event) => veil(event, -1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    veil(event, 0);
    if (takeFrom(event.dataTransfer.files)) return;
    refuse(new Problem({
      title: "No picture in what was dropped",
      detail: "It held a link or text, not a file.",
      cure: "Save the picture first and drop the file, or copy the picture and paste it here.",
    }));
  });
}
