/** The page at /status: GET /v1/status for people, asked again every two seconds while the page is seen. */

import { Problem, fetchStatus } from "./api.js";
import { byId, duration, make, show } from "./dom.js";

const PAUSE = 2000; // milliseconds between two questions
const LIMITS = {
  max_bytes: ["Largest request", bytes],
  max_pixels: ["Largest picture", (value) => `${(value / 1e6).toFixed(1)} MP`],
  max_pictures: ["Pictures a request", String],
  concurrency: ["Pictures at once", String],
  max_batch: ["Pictures a batch", String],
  max_queue: ["Waiting at most", String],
  max_waiting_bytes: ["Bytes waiting", bytes],
  max_connections: ["Connections", String],
  rate_limit: ["Requests a caller", (value) => value || "no limit"],
  timeout: ["Time a request", age],
  idle_unload: ["Unloaded when idle", (value) => (value ? age(value) : "never")],
};

async function refresh() {
  if (!document.hidden) {
    try {
      render(await fetchStatus());
      show(byId("lost"), false);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      byId("lost").textContent = problem.code === "unauthorized"
        ? "The status is shown to those who give a key. Reload the page to give one."
        : `${problem.title}. What is shown is old; asking again.`;
      show(byId("lost"), true);
      if (problem.code === "unauthorized") return;
    }
    byId("state").removeAttribute("aria-busy");
  }
  setTimeout(refresh, PAUSE);
}

function render(status) {
  // Text that is being selected, to be copied, stays as it is.
  if (!document.getSelection().isCollapsed) return;
  const waiting = status.models.flatMap((model) => model.queue.waiting.map((one) => ({ model, one })));
  const running = status.models.reduce((sum, model) => sum + model.queue.running, 0);
  byId("service").replaceChildren(
    tile("State", status.ready ? "ready" : "not ready", { class: status.ready ? "good" : "bad" }),
    tile("Version", status.version),
    tile("Running for", age(status.uptime_seconds)),
    tile("Pictures in work", running),
    tile("Requests waiting", waiting.length),
    tile("Pictures held", bytes(status.memory.held_bytes)),
    tile("Memory now", bytes(status.memory.rss_bytes)),
    tile("Memory at most", bytes(status.memory.peak_bytes)),
    tile("Memory limit", status.memory.limit_bytes === null ? "none"
      : `${bytes(status.memory.limit_bytes)}${status.memory.limit_source === "container" ? " (container)" : ""}`));
  byId("models").replaceChildren(...status.models.map(modelRow));
  byId("waiting").replaceChildren(...waiting.map(waitingRow));
  show(byId("nobody"), !waiting.length);
  show(byId("queue"), waiting.length);
  byId("limits").replaceChildren(...Object.entries(status.limits).map(([name, value]) => {
    const [words, format] = LIMITS[name] ?? [name, String];
    return tile(status.limits_per_process.includes(name) ? `${words} (each process)` : words, format(value));
  }));
}

const tile = (name, value, attributes = {}) => make("div", {}, make("dt", {}, name), make("dd", attributes, value));

function modelRow(model) {
  const { asked, used } = model.device;
  const elsewhere = used && asked !== "auto" && !used.startsWith(asked);
  const { count, p50_ms: half, p95_ms: most } = model.runs;
  return make("tr", { "data-model": `${model.name}@${model.version}` },
    make("th", { scope: "row" }, model.name, make("span", { class: "small" }, model.version),
      model.default ? make("span", { class: "tag" }, "default") : null),
    make("td", {}, make("span", { class: `tag is-${model.state}` }, model.state),
      model.state === "ready" ? null : make("span", { class: "small reason" }, model.reason)),
    make("td", {}, asked),
    make("td", { class: elsewhere ? "bad" : null }, used || "–"),
    make("td", {}, model.memory_bytes ? bytes(model.memory_bytes) : "–"),
    make("td", {}, count),
    make("td", {}, count ? duration(half) : "–"),
    make("td", {}, count ? duration(most) : "–"),
    make("td", {}, model.idle_seconds === null ? "never" : `${age(model.idle_seconds)} ago`));
}

function waitingRow({ model, one }) {
  return make("tr", {},
    make("td", {}, model.name),
    make("td", {}, one.position),
    make("td", {}, make("code", {}, one.request_id)),
    make("td", {}, age(one.age_seconds)),
    make("td", {}, one.seconds_left === null ? "–" : age(one.seconds_left)));
}

/** 3661 -> "1 h 1 min". */
function age(seconds) {
  if (seconds < 60) return `${seconds < 10 && seconds % 1 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** 1536000 -> "1.5 MB". */
function bytes(count) {
  if (count >= 1e9) return `${(count / 1e9).toFixed(2)} GB`;
  return count >= 1e6 ? `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB` : `${Math.ceil(count / 1e3)} kB`;
}

refresh();
