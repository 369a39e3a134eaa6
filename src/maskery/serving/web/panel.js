/** The column beside the picture: the model, what it found, and how long that took. */

import { byId, duration, make, percent, show } from "./dom.js";

const CHIPS = 24; // labels shown of a model with many

const TASKS = {
  semantic: "a class for every pixel",
  foreground: "a soft mask of the foreground",
  classification: "a name for the whole picture",
  detection: "a box for every object",
  instance: "a mask for every object",
  panoptic: "a class for every pixel, and a mask for every object",
  prompt: "what clicks or a box point at",
};

const swatch = (colour) => make("i", { class: "swatch", style: { "--colour": colour } });

export function fillModelPicker(models, preferred) {
  const whole = models.filter((model) => model.task !== "prompt"); // a prompt's model answers nothing without a click
  const options = (whole.length ? whole : models).map((model) => {
    const label = model.name === preferred ? `${model.name} (default)` : model.name;
    return make("option", { value: model.name }, label);
  });
  byId("model").replaceChildren(...options);
  byId("model").disabled = false;
}

export function showModel(model) {
  byId("model").value = model.name;
  const terms = model.licence.commercial_use ? model.licence.name : `${model.licence.name}, no commercial use`;
  byId("model-about").replaceChildren(
    make("p", {}, model.description),
    make("p", { class: "tags" },
      make("span", { class: "tag", title: TASKS[model.task] }, model.task),
      make("span", { class: "tag" }, `version ${model.version}`),
      make("span", { class: "tag", title: model.licence.note || false }, terms)),
  );
  byId("abilities-title").textContent = `Knows ${model.labels.length} classes`;
  const chips = model.labels.slice(0, CHIPS).map((label, id) =>
    make("li", {}, model.task === "classification" ? null : swatch(model.palette[id]), label));
  const more = model.labels.length - CHIPS;
  if (more > 0) chips.push(make("li", { class: "more" }, `and ${more} more`));
  byId("ability-list").replaceChildren(...chips);
}

/** Either what the model can find (answer null) or what it found. */
export function showAnswer(answer) {
  show(byId("abilities"), !answer);
  show(byId("answer"), Boolean(answer));
  if (!answer) return;
  show(byId("downloads"), Boolean(answer.classes || answer.objects));
  noteDownload("");
  showTimes(answer);
}

/**
 * One row a class, or an object, with buttons to hide it and to show it alone.
 * `on`: { toggle(id), only(id), point(id or null) }, and of objects cutOut(id).
 */
export function showLegend(classes, on) {
  const rows = classes.map((found) => {
    const point = (id) => () => on.point(id);
    return make("li", { "data-class-id": found.id, onpointerenter: point(found.id), onpointerleave: point(null) },
      make("button", { type: "button", class: "legend-main", onclick: () => on.toggle(found.id) },
        swatch(found.color),
        make("span", { class: "legend-name" }, found.name),
        make("span", { class: "legend-share" }, percent(found.score ?? found.share))),
      make("button", {
        type: "button",
        class: "link legend-only",
        "aria-label": `Show only ${found.name}`,
        onclick: () => on.only(found.id),
      }, "Only"),
      on.cutOut && make("button", {
        type: "button",
        class: "link legend-only legend-cutout",
        "aria-label": `Cut out ${found.name}`,
        onclick: () => on.cutOut(found.id),
      }, "Cut out"),
      make("span", { class: "bar", style: { "--share": found.score ?? found.share, "--colour": found.color } }));
  });
  const count = on.cutOut ? `: ${classes.length} object${classes.length === 1 ? "" : "s"}` : "";
  byId("legend-title").textContent = `In this picture${count}`;
  byId("legend").replaceChildren(...rows);
}

/** Mark the rows of hidden classes, and say which classes a download will hold. */
export function markSelection({ hidden, changed, shown, scope }) {
  for (const row of byId("legend").children) {
    const off = hidden.has(Number(row.dataset.classId));
    const button = row.querySelector(".legend-main");
    row.classList.toggle("is-hidden", off);
    button.setAttribute("aria-pressed", String(!off));
    button.title = off ? "Show this" : "Hide this";
  }
  show(byId("reset"), changed);
  byId("download-scope").textContent = scope;
  for (const button of byId("downloads").querySelectorAll("button")) button.disabled = shown.length === 0 && changed;
}

export function noteDownload(text) {
  byId("download-note").textContent = text;
}

export function markPointed(id) {
  for (const row of byId("legend").children) row.classList.toggle("is-pointed", row.dataset.classId === String(id));
}

/** The likeliest names of a classification, best first. */
export function showTop(top) {
  const rows = top.map(({ name, score }) =>
    make("li", { class: "top-row" },
      make("span", { class: "legend-name" }, name),
      make("span", { class: "legend-share" }, percent(score)),
      make("span", { class: "bar", style: { "--share": score } })));
  byId("legend-title").textContent = "This picture shows";
  byId("legend").replaceChildren(...rows);
  show(byId("reset"), false);
}

function showTimes({ timings_ms: timings, frame, model }) {
  const stages = Object.entries(timings);
  const total = stages.reduce((sum, [, ms]) => sum + ms, 0);
  byId("total").textContent = duration(total);
  byId("stages-bar").replaceChildren(
    ...stages.map(([, ms]) => make("span", { style: { "flex-grow": Math.max(ms / total, 0.004) } })));
  byId("stages").replaceChildren(
    ...stages.map(([stage, ms]) => make("li", {}, make("span", {}, stage), make("span", {}, duration(ms)))));
  const size = ({ width, height }) => `${width} × ${height} px`;
  const facts = { Picture: size(frame.original), "Model saw": size(frame.working), Model: model.name, Version: model.version };
  byId("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)]));
}
