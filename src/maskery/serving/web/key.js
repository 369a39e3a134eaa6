/**
 * The API key, where the server wants one: asked for when it is missing or wrong, sent as a Bearer token, and kept in
 * sessionStorage only, that is until this tab is closed.
 */

import { make } from "./dom.js";

const NAME = "maskery-key";

let asking = null; // one question at a time, whoever needs its answer

/** As `fetch`. A 401 is answered with a question for the key, until the key is right or the question is left. */
export async function fetchWithKey(url, options = {}) {
  let response = await fetch(url, withKey(options));
  while (response.status === 401) {
    asking ??= ask(sessionStorage.getItem(NAME) !== null).finally(() => (asking = null));
    if (!(await asking)) return response;
    response = await fetch(url, withKey(options));
  }
  return response;
}

function withKey(options) {
  const key = sessionStorage.getItem(NAME);
  return key ? { ...options, headers: { ...options.headers, Authorization: `Bearer ${key}` } } : options;
}

/** -> whether a key was given. `wrong`: there was one, and the server does not know it. */
function ask(wrong) {
  const input = make("input", { id: "key", type: "password", autocomplete: "off", required: true, pattern: "[!-~]+" });
  const leave = make("button", { type: "button", class: "button" }, "Cancel");
  const dialog = make("dialog", { class: "key", "aria-labelledby": "key-title" },
    make("form", { method: "dialog" },
      make("h2", { id: "key-title" }, "This server asks for an API key"),
      make("label", { for: "key" }, wrong ? "The server does not know this key. Another one:" : "Key"),
      input,
      make("p", { class: "small" }, "Kept in this tab until you close it, and nowhere else."),
      make("div", { class: "buttons" }, make("button", { class: "button primary" }, "Use this key"), leave)));
  leave.addEventListener("click", () => dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    let given = false;
    dialog.querySelector("form").addEventListener("submit", () => {
      sessionStorage.setItem(NAME, input.value);
      given = true;
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(given);
    });
  });
}
