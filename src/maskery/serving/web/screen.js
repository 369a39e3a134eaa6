/** What the page is doing now: nothing yet, busy, showing a result, telling of a problem. */

import { byId, make, show } from "./dom.js";

/** state: empty, busy, result or problem. `kind`: "mask" or "names", for the tools that need a mask. */
export function setState(state, kind = "") {
  const page = byId("page");
  keepFocus(() => {
    page.dataset.state = state;
    page.dataset.kind = kind;
    show(byId("drop"), state === "empty");
    show(byId("problem"), state === "problem");
    byId(state === "empty" ? "drop" : "work").append(byId("samples"));
  });
}

/** `change` moves and hides elements; the keyboard's place is kept, or goes to the button for the next picture. */
function keepFocus(change) {
  const focused = document.activeElement;
  change();
  if (!focused || focused === document.body) return;
  const visible = focused.offsetParent !== null;
  if (!visible || document.activeElement !== focused) (visible ? focused : byId("another")).focus({ preventScroll: true });
}

let clock = 0;

export function startBusy(label) {
  setState("busy");
  showNote("");
  labelBusy(label);
  byId("answer").inert = true;
  byId("stage").setAttribute("aria-busy", "true");
  byId("busy-time").textContent = "";
  show(byId("busy"), true);
  clearInterval(clock);
  const start = performance.now();
  clock = setInterval(() => {
    byId("busy-time").textContent = `${Math.round((performance.now() - start) / 1000)} s`;
  }, 1000);
}

export function labelBusy(label) {
  byId("busy-text").textContent = `${label}…`;
  say(`${label}…`);
}

export function stopBusy() {
  clearInterval(clock);
  keepFocus(() => show(byId("busy"), false));
  byId("answer").inert = false;
  byId("stage").removeAttribute("aria-busy");
}

/** error: a Problem, or something unforeseen, which is shown as it is. The element is an alert, so it is read out. */
export function showProblem(error, retry) {
  setState("problem");
  say("");
  byId("problem").dataset.code = error.code ?? "";
  byId("problem").replaceChildren(
    make("h2", {}, error.title ?? "Something went wrong on this page"),
    make("p", {}, error.title ? error.detail : String(error)),
    make("p", { class: "cure" }, error.cure ?? ""),
    make("div", { class: "buttons" },
      make("button", { type: "button", class: "button primary", onclick: retry }, "Try again"),
      make("button", { type: "button", class: "button", onclick: () => byId("file").click() }, "New picture")),
  );
}

/** A line below the picture. */
export function showNote(text) {
  byId("note").textContent = text;
  show(byId("note"), Boolean(text));
}

/** For screen readers. */
export function say(text) {
  byId("status").textContent = text;
}
