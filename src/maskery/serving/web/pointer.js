/** The name of the class below the mouse or the finger, beside it. */

import { byId, show } from "./dom.js";

/** `ask(event)`: { id, name, colour } of the class at a pointer event, or null. `tell(id or null)`: it has changed. */
export function followPointer(canvas, ask, tell) {
  const leave = () => {
    show(byId("pointer"), false);
    tell(null);
  };
  const follow = (event) => {
    const found = ask(event);
    if (!found) return leave();
    const label = byId("pointer");
    label.querySelector("span").textContent = found.name;
    label.querySelector(".swatch").style.setProperty("--colour", found.colour);
    show(label, true);
    place(label, event);
    return tell(found.id);
  };
  canvas.addEventListener("pointermove", follow);
  canvas.addEventListener("pointerdown", follow);
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") leave(); // a tap leaves at once; its label stays
  });
  document.addEventListener("pointerdown", (event) => {
    if (event.target !== canvas) leave();
  });
  return leave;
}

/** Beside the pointer, within the stage. */
function place(label, event) {
  const box = label.parentElement.getBoundingClientRect();
  const left = Math.min(event.clientX - box.left + 14, box.width - label.offsetWidth - 6);
  const below = event.clientY - box.top + 20;
  const top = below + label.offsetHeight < box.height ? below : below - label.offsetHeight - 34;
  label.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}
