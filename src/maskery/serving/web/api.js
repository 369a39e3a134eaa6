/** The server's HTTP API. Addresses are relative to this file, so the page also works behind a path prefix. */

import { fetchWithKey } from "./key.js";

export const BASE = new URL("../", import.meta.url);

/** What went wrong, in the words of the server (application/problem+json) or, where it has none, in ours. */
export class Problem extends Error {
  constructor({ title, detail = "", cure = "", code = "" }) {
    super(title);
    this.title = title;
    this.detail = detail;
    this.cure = cure;
    this.code = code;
  }

  static async from(response) {
    const said = await response.json().catch(() => null);
    if (said?.title) return new Problem(said);
    return new Problem({ title: `The server answered ${response.status} ${response.statusText}`.trim() });
  }
}

/** Fetch `path`, read the answer with `read`. Throws `Problem`, or the AbortError of `options.signal`. */
async function ask(path, options, read) {
  try {
    const response = await fetchWithKey(new URL(path, BASE), options);
    if (!response.ok) throw await Problem.from(response);
    return await read(response);
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    throw new Problem({
      title: "No answer from the server",
      detail: "The connection failed or was closed before the answer was complete.",
      cure: "See whether the server is still running and the picture is not larger than it accepts, then try again.",
    });
  }
}

/** -> { default, models: [{ name, task, description, labels, palette, ... }] } */
export const fetchModels = () => ask("v1/models", {}, (response) => response.json());

/** -> { ready, version, uptime_seconds, models: [...], memory, limits } */
export const fetchStatus = () => ask("v1/status", {}, (response) => response.json());

export const fetchSamples = () => ask("static/samples/samples.json", {}, (response) => response.json());

export const sampleUrl = (file) => new URL(`static/samples/${encodeURIComponent(file)}`, BASE).href;

export const fetchSample = (file, signal) => ask(sampleUrl(file), { signal }, (response) => response.blob());

/** Segment `blob`. format "json" gives the parsed answer, every other one a Blob. `classes`: names to keep, null = all. */
export function segment(blob, { model, format = "json", classes = null, signal }) {
  const query = new URLSearchParams({ model, format });
  if (classes) query.set("classes", classes.join(","));
  const headers = { "Content-Type": blob.type || "application/octet-stream" };
  const read = (response) => (format === "json" ? response.json() : response.blob());
  return ask(`v1/segment?${query}`, { method: "POST", headers, body: blob, signal }, read);
}
