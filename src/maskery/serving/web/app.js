/**
 * The page: a picture comes in (intake.js), the server segments it (api.js), the canvas shows it (stage.js) and the
 * panel tells about it (panel.js). This file holds the state and the order of events.
 */

import { Problem, fetchModels, fetchSample, fetchSamples, sampleUrl, segment } from "./api.js";
import { byId, make, percent } from "./dom.js";
import { download, saveAs } from "./download.js";
import { listenForPictures } from "./intake.js";
import { Mask } from "./mask.js";
import { ObjectSelection, countsOf, cutOut, maskOf, rowsOf } from "./objects.js";
import * as panel from "./panel.js";
import { followPointer } from "./pointer.js";
import * as screen from "./screen.js";
import { Selection } from "./selection.js";
import { Stage, decodePhoto } from "./stage.js";

const stage = new Stage(byId("canvas"), byId("stage"));

const state = {
  models: [],
  model: null, // the card of the chosen one
  picture: null, // { blob, name }
  answer: null, // the server's JSON
  selection: null, // Selection of its classes, null for a task without a mask
  job: null, // AbortController of what is under way
};

// ------------------------------------------------------------------------------------------ from picture to result

/** A new picture. `load`: signal -> Blob, so that the fetching of a sample can be cancelled too. */
function takePicture(name, load) {
  return work(`Reading ${name}`, async (signal) => {
    const blob = await load(signal);
    signal.throwIfAborted();
    state.picture = { blob, name };
    stage.clear();
    await segmentPicture(signal, decodePhoto(blob));
  });
}

/** The picture that is there, by the model that is chosen now. */
const segmentAgain = () => work("Segmenting", (signal) => segmentPicture(signal, null));

/** `decoding`: promise of the photo (null where the browser cannot), or null where it is on the canvas already. */
async function segmentPicture(signal, decoding) {
  if (!state.model) await loadModels();
  screen.labelBusy(`Segmenting with ${state.model.name}`);
  const asked = segment(state.picture.blob, { model: state.model.name, signal });
  asked.catch(() => {}); // it is awaited below, but may fail before
  const photo = await decoding;
  signal.throwIfAborted();
  if (photo) stage.setPicture(photo, photo);
  const answer = await asked;
  const mask = answer.objects ? maskOf(answer) : await Mask.of(answer);
  signal.throwIfAborted();
  showAnswer(answer, mask);
}

function showAnswer(answer, mask) {
  state.answer = answer;
  const size = answer.frame.original;
  if (!stage.shows(size)) {
    stage.setPicture(null, size);
    screen.showNote("This browser cannot show this kind of picture, so the mask is drawn alone.");
  }
  if (answer.note) screen.showNote(answer.note);
  panel.showAnswer(answer);
  if (mask) {
    stage.setMask(mask);
    state.selection = answer.objects ? new ObjectSelection(rowsOf(answer)) : new Selection(answer.classes);
    const on = { toggle: select("toggle"), only: select("only"), point: pointAtClass };
    panel.showLegend(state.selection.classes, answer.objects ? { ...on, cutOut: cutOutObject } : on);
    showSelection();
  } else {
    panel.showTop(answer.top);
  }
  screen.setState("result", mask ? "mask" : "names");
  tell(answer);
}

function tell({ top, objects, model, note }) {
  const found = objects
    ? countsOf(objects)
    : top
      ? top.map(({ name, score }) => `${name} ${percent(score)}`)
      : state.selection.shown.map(({ name, share }) => `${name} ${percent(share)}`);
  const nothing = objects ? "no object" : "nothing but background";
  const text = `${model.name} found ${found.slice(0, 6).join(", ") || nothing}.${note ? ` ${note}` : ""}`;
  byId("canvas").setAttribute("aria-label", `${state.picture.name}: ${text}`);
  screen.say(text);
}

/** One thing at a time: a new `task` (a function of an AbortSignal) cancels the former; only the newest ends here. */
async function work(label, task) {
  state.job?.abort();
  const job = new AbortController();
  state.job = job;
  clearAnswer();
  screen.startBusy(label);
  try {
    await task(job.signal);
  } catch (error) {
    if (job !== state.job) return;
    panel.showAnswer(null);
    screen.showProblem(error.name === "AbortError" ? CANCELLED : error, () => work(label, task));
  }
  if (job !== state.job) return;
  state.job = null;
  screen.stopBusy();
}

const CANCELLED = new Problem({ code: "cancelled", title: "Cancelled", cure: "Try again, or take another picture." });

function clearAnswer() {
  state.answer = null;
  state.selection = null;
  leavePointer();
  stage.clearMask();
}

// ------------------------------------------------------------------------------------------ classes

const select = (change) => (id) => {
  state.selection[change](id);
  showSelection();
};

function showSelection() {
  panel.markSelection(state.selection);
  stage.setColours(state.selection.colours);
}

/** The mouse is on a row of the legend: its class stands out in the picture. `id`: null when it leaves. */
function pointAtClass(id) {
  if (state.selection) stage.emphasise(state.selection.hidden.has(id) ? null : id);
}

/** What lies below a pointer event. A soft mask says how much of it is foreground, also where that is little. */
function classAt(event) {
  const pixel = state.selection && stage.at(event);
  if (!pixel) return null;
  const found = state.selection.byId(pixel.id);
  const likely = `${state.model.labels[1]} ${Math.round(pixel.alpha / 2.55)} %`;
  const none = state.answer.objects ? "no object" : "no class";
  const name = pixel.alpha === null ? found?.name ?? none : likely;
  return { id: pixel.id, name, colour: found?.color ?? "transparent" };
}

const leavePointer = followPointer(byId("canvas"), classAt, panel.markPointed);

// ------------------------------------------------------------------------------------------ controls

function showModel(name) {
  state.model = state.models.find((model) => model.name === name);
  panel.showModel(state.model);
}

function chooseModel(name) {
  showModel(name);
  const address = new URL(location.href);
  address.searchParams.set("model", name);
  history.replaceState(null, "", address);
  if (state.picture) segmentAgain();
}

function showView() {
  const view = document.querySelector("input[name=view]:checked").value;
  const opacity = byId("opacity").valueAsNumber;
  byId("opacity-value").textContent = `${opacity} %`;
  byId("opacity").disabled = view !== "overlay";
  stage.setView(view, opacity / 100);
}

async function downloadAs(format) {
  panel.noteDownload("Preparing the file…");
  try {
    const { answer, selection } = state;
    await download(state.picture, { model: answer.model.name, format, classes: selection.names });
    panel.noteDownload("");
  } catch (error) {
    panel.noteDownload([error.title ?? String(error), error.detail, error.cure].filter(Boolean).join(" "));
  }
}

/** One object as a file of its own, made here: the picture is on this page already. */
async function cutOutObject(id) {
  const { picture, answer, selection } = state;
  const one = selection.byId(id);
  panel.noteDownload("Preparing the file…");
  try {
    saveAs(await cutOut(picture.blob, one, answer.frame), `${picture.name.replace(/\.[^.]*$/, "")}-${one.name}.png`);
    panel.noteDownload("");
  } catch (error) {
    panel.noteDownload("This browser cannot read this kind of picture: the format cutouts of the API has all objects.");
  }
}

function listen() {
  byId("model").addEventListener("change", (event) => chooseModel(event.target.value));
  byId("cancel").addEventListener("click", () => state.job?.abort());
  byId("reset").addEventListener("click", select("reset"));
  byId("opacity").addEventListener("input", showView);
  byId("views").addEventListener("change", showView);
  for (const button of byId("downloads").querySelectorAll("button")) {
    button.addEventListener("click", () => downloadAs(button.dataset.format));
  }
  listenForPictures(
    (file) => takePicture(file.name || "picture", async () => file),
    (problem) => work("Reading", () => Promise.reject(problem)),
  );
}

// ------------------------------------------------------------------------------------------ beginning

async function start() {
  try {
    await loadModels();
  } catch (error) {
    if (!state.job) screen.showProblem(error, () => location.reload());
  }
}

/** Fill the picker; the page's address may name a model: ?model=NAME. */
async function loadModels() {
  const { default: preferred, models } = await fetchModels();
  state.models = models;
  panel.fillModelPicker(models, preferred);
  const wanted = new URLSearchParams(location.search).get("model");
  showModel(models.some((model) => model.name === wanted) ? wanted : preferred);
  if (!state.answer) panel.showAnswer(null);
}

function showSamples(samples) {
  byId("sample-list").replaceChildren(...samples.map(({ file, title }) => {
    const take = () => takePicture(file, (signal) => fetchSample(file, signal));
    const image = make("img", { src: sampleUrl(file), alt: "", width: 104, height: 78 });
    return make("li", {}, make("button", { type: "button", "data-sample": file, onclick: take }, image, make("span", {}, title)));
  }));
}

listen();
showView();
start();
fetchSamples().then(showSamples, () => {}); // the page is whole without them
