/** The API reference at /docs: /openapi.json as a readable page, with a form to try the operations that are safe to try. */

import { BASE } from "./api.js";
import { byId, duration, make, show } from "./dom.js";
import { fetchWithKey } from "./key.js";
import { Description, address, rawType } from "./openapi.js";

const LONGEST_ANSWER = 20_000; // characters shown of a text answer

async function start() {
  const reference = byId("reference");
  try {
    const response = await fetch(new URL("openapi.json", BASE));
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    render(new Description(await response.json()));
  } catch (error) {
    reference.replaceChildren(make("p", { class: "loading", role: "alert" },
      `The API description could not be read (${error.message}). See whether the server is still running, then reload.`));
  }
  reference.removeAttribute("aria-busy");
}

function render(api) {
  const { info } = api.document;
  const groups = api.groups();
  byId("reference").replaceChildren(
    make("header", { class: "intro" },
      make("h2", {}, info.title, make("span", { class: "tag" }, info.version)),
      ...paragraphs(info.description)),
    ...groups.map((group) => make("section", { class: "group" },
      make("h2", {}, group.tag),
      ...paragraphs(group.about),
      ...group.operations.map((operation) => operationCard(api, operation)))));
  byId("contents").replaceChildren(...groups.flatMap((group) => [
    make("h2", {}, group.tag),
    make("ul", {}, ...group.operations.map((operation) => make("li", {},
      make("a", { href: `#${operation.id}` }, badge(operation.method), make("span", {}, operation.path))))),
  ]));
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function operationCard(api, operation) {
  return make("article", { class: "card operation", id: operation.id },
    make("h3", {}, badge(operation.method), make("code", {}, operation.path),
      operation.deprecated ? make("span", { class: "tag" }, "deprecated") : null),
    operation.summary ? make("p", { class: "summary" }, operation.summary) : null,
    ...paragraphs(operation.description),
    ...parameterTable(api, operation.parameters),
    ...bodyPart(api, operation.body),
    ...responsePart(api, operation.responses),
    make("h4", {}, "Example"),
    example(api.curl(operation, BASE)),
    tryable(operation) ? tryForm(operation) : null);
}

const badge = (method) => make("span", { class: `method ${method}` }, method.toUpperCase());

/** Text with `code` in backquotes and empty lines between paragraphs -> elements. */
function paragraphs(text = "") {
  return text.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => make("p", {}, ...inline(part)));
}

function inline(text = "") {
  return text.split(/`([^`]+)`/).map((piece, at) => (at % 2 ? make("code", {}, piece) : piece));
}

function parameterTable(api, parameters) {
  if (!parameters.length) return [];
  const rows = parameters.map((parameter) => {
    const schema = api.resolve(parameter.schema);
    const standard = schema.default === undefined ? "" : JSON.stringify(schema.default);
    return make("tr", {},
      make("th", { scope: "row" }, make("code", {}, parameter.name),
        make("span", { class: "small" }, parameter.required ? `${parameter.in}, required` : parameter.in)),
      make("td", {}, make("code", { class: "type" }, api.typeName(schema)),
        standard ? make("span", { class: "small" }, `default ${standard}`) : null),
      make("td", {}, ...inline(parameter.description)));
  });
  const head = ["Parameter", "Type", "Meaning"].map((title) => make("th", { scope: "col" }, title));
  return [make("h4", {}, "Parameters"),
    make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)))];
}

function bodyPart(api, body) {
  if (!body.content) return [];
  return [make("h4", {}, "Body"), ...paragraphs(body.description), ...contents(api, body.content)];
}

/** Schemas are spelt out where they occur first; folded for errors, which are alike. */
function responsePart(api, responses = {}) {
  const known = new Set();
  const rows = Object.entries(responses).map(([status, reference]) => {
    const response = api.resolve(reference);
    return make("li", {},
      make("p", {}, make("strong", { class: `status s${status[0]}` }, status), " ", ...inline(response.description)),
      ...contents(api, response.content, known, Number(status) < 400));
  });
  return rows.length ? [make("h4", {}, "Responses"), make("ul", { class: "responses" }, ...rows)] : [];
}

/** One line a media type; those with the same schema share it. `known`: schemas that were spelt out already. */
function contents(api, content = {}, known = new Set(), open = true) {
  const types = new Map();
  for (const [type, { schema }] of Object.entries(content)) {
    const text = schema ? `${api.typeName(schema)}\n${api.outline(schema)}`.trim() : "";
    types.set(text, [...(types.get(text) ?? []), type]);
  }
  return Array.from(types, ([text, names]) => {
    const [name, ...lines] = text.split("\n");
    const labels = names.flatMap((type) => [make("code", {}, type), " "]);
    if (!lines.length || known.has(text)) return make("p", { class: "media" }, ...labels, make("span", { class: "small" }, name));
    known.add(text);
    return make("details", { class: "media", open: open && lines.length < 12 },
      make("summary", {}, ...labels, make("span", { class: "small" }, name)),
      make("pre", {}, lines.join("\n")));
  });
}

function example(text) {
  const button = make("button", { type: "button", class: "button copy" }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text)) ? "Copied" : "Select and copy";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return make("div", { class: "example" }, make("pre", {}, text), button);
}

/** The clipboard needs https or localhost; elsewhere the caller says so. */
const copy = (text) => navigator.clipboard?.writeText(text).then(() => true, () => false) ?? Promise.resolve(false);

// ------------------------------------------------------------------------------------------ trying

const tryable = ({ method, body }) => method === "get" || (method === "post" && Boolean(rawType(body.content)));

function tryForm(operation) {
  const withFile = operation.method === "post";
  const fields = operation.parameters.filter((p) => p.in === "path" || p.in === "query").map((p) => [p, field(p)]);
  const file = withFile ? make("input", { type: "file", required: true, accept: "image/*" }) : null;
  const result = make("div", { class: "try-result", "aria-live": "polite", hidden: true });
  const form = make("form", {},
    ...fields.map(([parameter, input]) => make("label", {}, make("span", {}, parameter.name), input)),
    withFile ? make("label", {}, make("span", {}, "file"), file) : null,
    make("button", { class: "button primary" }, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = new Map(fields.map(([parameter, input]) => [parameter, input.value]));
    const picture = file?.files[0];
    send(address(operation, BASE, (p) => values.get(p)), picture, result);
  });
  return make("details", { class: "try" }, make("summary", {}, "Try it"), form, result);
}

function field(parameter) {
  const { enum: choices, default: standard, type } = parameter.schema ?? {};
  if (choices) return make("select", {}, make("option", { value: "" }, standard === undefined ? "–" : `– (${standard})`), ...choices.map((choice) => make("option", {}, String(choice))));
  const number = type === "integer" || type === "number";
  return make("input", { type: number ? "number" : "text", step: "any", required: parameter.required, placeholder: standard ?? false });
}

async function send(url, picture, result) {
  show(result, true);
  result.replaceChildren("Waiting for the answer…");
  const start = performance.now();
  try {
    const response = await fetchWithKey(url, picture ? { method: "POST", body: picture } : {});
    const type = response.headers.get("Content-Type") ?? "";
    const blob = await response.blob();
    const about = `${response.status} ${response.statusText} · ${type || "no type"} · ${blob.size} bytes · ${duration(performance.now() - start)}`;
    result.replaceChildren(
      make("p", { class: "small" }, make("code", {}, url)),
      make("p", { class: `status s${String(response.status)[0]}` }, about),
      await preview(blob, type));
  } catch (error) {
    result.replaceChildren(make("p", { class: "status s5" }, `No answer: ${error.message}`));
  }
}

async function preview(blob, type) {
  if (type.startsWith("image/")) {
    const source = URL.createObjectURL(blob);
    return make("img", { src: source, alt: "The answer", onload: () => URL.revokeObjectURL(source) });
  }
  if (!/json|text|yaml|xml/.test(type)) return make("p", { class: "small" }, "Not text, so it is not shown.");
  const text = await blob.text();
  return make("pre", {}, shortened(type.includes("json") ? pretty(text) : text));
}

/** Indented, with long base64 cut so that the rest can be read. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), (_, value) => (typeof value === "string" && value.length > 400 ? `${value.slice(0, 60)}… (${value.length} characters)` : value), 2);
  } catch {
    return text;
  }
}

const shortened = (text) => (text.length > LONGEST_ANSWER ? `${text.slice(0, LONGEST_ANSWER)}\n… (${text.length} characters)` : text);

start();
