/** Small helpers for building the page. Styles go through the CSSOM: the content security policy allows no inline style. */

export const byId = (id) => document.getElementById(id);

/**
 * Make an element: `make("button", { class: "link", onclick: f, style: { color } }, "text", child)`.
 * Attributes that are false, null or undefined are left out.
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "style") for (const [key, setting] of Object.entries(value)) element.style.setProperty(key, setting);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const show = (element, visible) => {
  element.hidden = !visible;
};

/** 0.4201 -> "42.0 %"; only all is 100 %, and only nothing is 0. */
export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share > 0.9995 && share < 1) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

/** Milliseconds for people: "3.2 ms", "184 ms", "2.41 s". */
export function duration(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms >= 10 ? Math.round(ms) : ms.toFixed(1)} ms`;
}
